package songspy

import (
	"strconv"
	"time"
)

// NoticeKind says what somebody is told. It is fit for a metric's label.
type NotificationKind string

// The kinds.
const (
	NotificationRelinkSoon    NotificationKind = "relink_soon"    // the person's consent ends within a month
	NotificationRelink        NotificationKind = "relink"         // nothing can be seen until the person links again
	NotificationNotRegistered NotificationKind = "not_registered" // the operator has to enter people in an app's dashboard
	NotificationNeedsUser     NotificationKind = "needs_person"   // Spotify has taken people's consent back
	NotificationAppBlocked    NotificationKind = "door_closed"    // Spotify has refused an app for more than an hour
	NotificationOutageBegan   NotificationKind = "outage_began"   // Spotify refuses nearly every renewal of an app
	NotificationOutageEnded   NotificationKind = "outage_over"    // and honours them again
	NotificationSeatRequested NotificationKind = "seat_asked"     // people ask to be entered in an app's dashboard, and have said as whom
	NotificationSeatEntered   NotificationKind = "seat_entered"   // the person has been entered, and can link
)

// NoticeFor is who is told.
type Recipient string

// Who is told.
const (
	RecipientUser     Recipient = "person"
	RecipientOperator Recipient = "operator"
)

// noticeKinds is all that is told. A further kind is a row here, words for it
// where it is sent, and whoever finds out that it is wanted: for the states of
// links that is the row's own function.
var notificationKinds = []struct {
	kind      NotificationKind
	recipient Recipient
	// gathered kinds are about people and for somebody else: one message tells of all.
	grouped bool
	// link reports whether a link that wants that of its person wants the notice; nil: no link does.
	wantedBy func(Link, LinkTask) bool
}{
	{NotificationRelinkSoon, RecipientUser, false, func(_ Link, t LinkTask) bool { return t == TaskRelinkSoon }},
	{NotificationRelink, RecipientUser, false, func(_ Link, t LinkTask) bool { return t == TaskRelink }},
	// Who brought an app of their own has its dashboard.
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

// NoticeKinds lists the kinds.
func NotificationKinds() []NotificationKind {
	kinds := make([]NotificationKind, len(notificationKinds))
	for i, k := range notificationKinds {
		kinds[i] = k.kind
	}
	return kinds
}

// For is who is told; empty for a kind that is none.
func (k NotificationKind) Recipient() Recipient {
	for _, row := range notificationKinds {
		if row.kind == k {
			return row.recipient
		}
	}
	return ""
}

// Gathered reports whether one message tells of everybody, instead of one of each.
func (k NotificationKind) IsGrouped() bool {
	for _, row := range notificationKinds {
		if row.kind == k {
			return row.grouped
		}
	}
	return false
}

// NoticeChannel is a way by which somebody is told. It is fit for a metric's label.
type NotificationChannel string

// The channels.
const (
	ChannelMail         NotificationChannel = "mail"          // to the person
	ChannelOperatorMail NotificationChannel = "operator_mail" // to the operator
	ChannelWebhook      NotificationChannel = "webhook"       // to the operator
)

// Notice is something that somebody is to be told once: UserID, App, Kind,
// Occurrence and Channel name it, and nothing of that name is ever told twice.
type Notification struct {
	ID int64
	// UserID is whom it is about; 0: an app alone.
	UserID UserID
	// App is empty for those that people brought, where one message tells of all.
	App  string
	Kind NotificationKind
	// Occurrence tells one time of being in a state from the next.
	Occurrence string
	Channel    NotificationChannel
	// DueAt is from when it may be told; zero: at once.
	DueAt time.Time
	// CreatedAt is when it was first seen to be wanted, SeenAt when it last was.
	CreatedAt, SeenAt time.Time
}

// NoticesOf is what a link wants somebody to be told now, without a channel.
//
// A state of a link is named by the link's generation, which only linking again
// raises. The time at which it was entered would not do: whoever is not
// registered is asked again every day, and refused again.
func NotificationsForLink(l Link, now time.Time) (notifications []Notification) {
	task := l.Task(now)
	for _, row := range notificationKinds {
		if row.wantedBy != nil && row.wantedBy(l, task) {
			n := Notification{UserID: l.UserID, App: l.App, Kind: row.kind, Occurrence: strconv.FormatInt(l.Generation, 10)}
			if row.grouped && l.usesUserApp() {
				n.App = "" // apps that people brought are told of as one
			}
			notifications = append(notifications, n)
		}
	}
	return notifications
}

// NoticesOfSeat is what a seat wants somebody to be told, without a channel.
// Asking anew, with another address, is another time.
func NotificationsForSeat(s Seat) []Notification {
	kind, notifies := map[SeatState]NotificationKind{SeatHeld: NotificationSeatRequested, SeatEntered: NotificationSeatEntered}[s.State]
	if !notifies {
		return nil
	}
	return []Notification{{UserID: s.UserID, App: s.App, Kind: kind, Occurrence: strconv.FormatInt(s.StateSince.UnixMicro(), 10)}}
}

// NoticeMessage is notices that are told as one.
type NotificationMessage struct {
	// ID names the message; it is the same however often it is tried.
	ID      string
	Kind    NotificationKind
	App     string
	Channel NotificationChannel
	// Tries counts the tries, with the one that is about to be made.
	Attempts int
	// Since is when the first of them was seen to be wanted.
	Since         time.Time
	Notifications []Notification
}

// NoticeLink is a link as far as notices go: it has no tokens.
type NotifiableLink struct {
	Link Link
	// Mail reports whether the person can be told by mail, and wants to be.
	CanMail bool
}

// OfSeat reports whether a seat wants it, and not a link or an app.
func (k NotificationKind) IsAboutSeat() bool {
	return k == NotificationSeatRequested || k == NotificationSeatEntered
}

// NoticeSeat is a seat as far as notices go: it has no address.
type NotifiableSeat struct {
	Seat Seat
	// Mail reports whether the person can be told by mail, and wants to be.
	CanMail bool
}
