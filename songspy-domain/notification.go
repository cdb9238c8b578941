package songspy

import (
	"strconv"
	"time"
)

// NotificationKind says what a notification is about. It is also the value of a
// metric's label.
type NotificationKind string

// The kinds.
const (
	NotificationRelinkSoon    NotificationKind = "relink_soon"    // the user's consent ends within a month
	NotificationRelink        NotificationKind = "relink"         // the user cannot be polled until they link again
	NotificationNotRegistered NotificationKind = "not_registered" // the operator has to register users in a Spotify app's dashboard
	NotificationNeedsUser     NotificationKind = "needs_user"     // Spotify has revoked the consent of users
	NotificationAppBlocked    NotificationKind = "app_blocked"    // Spotify has blocked an app for more than an hour
	NotificationOutageBegan   NotificationKind = "outage_began"   // Spotify rejects at least half of an app's token renewals
	NotificationOutageEnded   NotificationKind = "outage_ended"   // Spotify accepts an app's token renewals again
	NotificationSeatRequested NotificationKind = "seat_asked"     // users have requested seats (places in an app): the operator has to register their addresses in its dashboard
	NotificationSeatEntered   NotificationKind = "seat_entered"   // the user has been registered and can link
)

// Recipient says who receives a notification.
type Recipient string

// The recipients.
const (
	RecipientUser     Recipient = "user"
	RecipientOperator Recipient = "operator"
)

// notificationKinds lists every kind of notification. A new kind needs a row
// here, its texts in package notify of the batch, and code that creates the
// notification. For kinds that depend on a user's link to Spotify, wantedBy is
// that code.
var notificationKinds = []struct {
	kind      NotificationKind
	recipient Recipient
	// grouped is true for kinds that are about users but go to the operator: one
	// message covers all users of an app.
	grouped bool
	// wantedBy reports whether a user's link to Spotify causes the notification.
	// Its arguments are the link and what the user has to do about it (Link.Task).
	// It is nil for kinds that no link causes.
	wantedBy func(Link, LinkTask) bool
}{
	{NotificationRelinkSoon, RecipientUser, false, func(_ Link, t LinkTask) bool { return t == TaskRelinkSoon }},
	{NotificationRelink, RecipientUser, false, func(_ Link, t LinkTask) bool { return t == TaskRelink }},
	// If the user links through a Spotify app of their own, the user has access
	// to that app's dashboard, so the operator need not register anyone.
	{NotificationNotRegistered, RecipientOperator, true, func(l Link, t LinkTask) bool { return t == TaskAskOperator && !l.usesUserApp() }},
	{NotificationNeedsUser, RecipientOperator, true, func(l Link, _ LinkTask) bool { return l.State == LinkReauthRequired }},
	{NotificationAppBlocked, RecipientOperator, false, nil},
	{NotificationOutageBegan, RecipientOperator, false, nil},
	{NotificationOutageEnded, RecipientOperator, false, nil},
	{NotificationSeatRequested, RecipientOperator, true, nil},
	{NotificationSeatEntered, RecipientUser, false, nil},
}

func (l Link) usesUserApp() bool {
	_, isUserApp := UserAppClientID(l.App)
	return isUserApp
}

// NotificationKinds returns every kind.
func NotificationKinds() []NotificationKind {
	kinds := make([]NotificationKind, len(notificationKinds))
	for i, k := range notificationKinds {
		kinds[i] = k.kind
	}
	return kinds
}

// Recipient returns who receives notifications of the kind, or "" for an
// unknown kind.
func (k NotificationKind) Recipient() Recipient {
	for _, row := range notificationKinds {
		if row.kind == k {
			return row.recipient
		}
	}
	return ""
}

// IsGrouped reports whether one message covers all users of an app, instead of
// one message for each.
func (k NotificationKind) IsGrouped() bool {
	for _, row := range notificationKinds {
		if row.kind == k {
			return row.grouped
		}
	}
	return false
}

// NotificationChannel is the way by which a notification is sent, such as
// e-mail or a webhook. It is also the value of a metric's label.
type NotificationChannel string

// The channels.
const (
	ChannelMail         NotificationChannel = "mail"          // to the user
	ChannelOperatorMail NotificationChannel = "operator_mail" // to the operator
	ChannelWebhook      NotificationChannel = "webhook"       // to the operator
)

// Notification is one notification to send. UserID, App, Kind, Occurrence and
// Channel identify it. While it is stored, no notification with the same identity
// is sent again.
type Notification struct {
	ID int64
	// UserID is the user that the notification is about; 0 if it is about an
	// app alone.
	UserID UserID
	// App is the Spotify app that the notification is about. It is empty if one
	// message covers all apps that users supplied.
	App  string
	Kind NotificationKind
	// Occurrence identifies one occurrence of the cause, so that a later occurrence
	// causes another notification. For a link it is the Generation, for a seat
	// StateSince. Notifications of NotificationAppBlocked and NotificationOutageBegan
	// are deleted instead when the cause ends.
	Occurrence string
	Channel    NotificationChannel
	// DueAt is the earliest time at which the notification may be sent; zero means now.
	DueAt time.Time
	// CreatedAt is when the cause of the notification was first seen. SeenAt is
	// when it was last seen.
	CreatedAt, SeenAt time.Time
}

// NotificationsForLink returns the notifications that a user's link to Spotify
// causes now. Their Channel is not set.
//
// Their Occurrence is the link's Generation. It does not change while the cause
// lasts; it increases when the user links again. StateSince is not suitable:
// Songspy tries the link of an unregistered user every day, and each rejection
// changes StateSince. So each rejection would repeat the notification.
func NotificationsForLink(l Link, now time.Time) (notifications []Notification) {
	task := l.Task(now)
	for _, row := range notificationKinds {
		if row.wantedBy != nil && row.wantedBy(l, task) {
			n := Notification{UserID: l.UserID, App: l.App, Kind: row.kind, Occurrence: strconv.FormatInt(l.Generation, 10)}
			if row.grouped && l.usesUserApp() {
				n.App = "" // one message covers all user-supplied apps
			}
			notifications = append(notifications, n)
		}
	}
	return notifications
}

// NotificationsForSeat returns the notifications that a user's seat (a place in
// a Spotify app that admits few users) causes. Their Channel is not set. Their
// Occurrence is the seat's StateSince. If the user requests a seat again with another
// e-mail address, StateSince changes, so the notifications are sent again.
func NotificationsForSeat(s Seat) []Notification {
	kind, notifies := map[SeatState]NotificationKind{SeatHeld: NotificationSeatRequested, SeatEntered: NotificationSeatEntered}[s.State]
	if !notifies {
		return nil
	}
	return []Notification{{UserID: s.UserID, App: s.App, Kind: kind, Occurrence: strconv.FormatInt(s.StateSince.UnixMicro(), 10)}}
}

// NotificationMessage is a group of notifications that are sent as one message.
type NotificationMessage struct {
	// ID identifies the message. It stays the same if sending fails and is
	// tried again.
	ID      string
	Kind    NotificationKind
	App     string
	Channel NotificationChannel
	// Attempts counts the attempts to send the message, including the one that
	// is about to be made.
	Attempts int
	// Since is when the cause of the oldest of Notifications was first seen.
	Since         time.Time
	Notifications []Notification
}

// NotifiableLink is a user's link to Spotify, without its tokens, and whether
// the user can get e-mails.
type NotifiableLink struct {
	Link Link
	// CanMail says that the user's e-mail address is known and that the user
	// wants e-mails.
	CanMail bool
}

// IsAboutSeat reports whether notifications of the kind are caused by a user's
// seat in a Spotify app, and not by a link or an app.
func (k NotificationKind) IsAboutSeat() bool {
	return k == NotificationSeatRequested || k == NotificationSeatEntered
}

// NotifiableSeat is a user's seat in a Spotify app, without the e-mail address,
// and whether the user can get e-mails.
type NotifiableSeat struct {
	Seat Seat
	// CanMail says that the user's e-mail address is known and that the user
	// wants e-mails.
	CanMail bool
}
