package songspy

import (
	"strconv"
	"time"
)

// NoticeKind says what somebody is told. It is fit for a metric's label.
type NoticeKind string

// The kinds.
const (
	NoticeRelinkSoon    NoticeKind = "relink_soon"    // the person's consent ends within a month
	NoticeRelink        NoticeKind = "relink"         // nothing can be seen until the person links again
	NoticeNotRegistered NoticeKind = "not_registered" // the operator has to enter people in an app's dashboard
	NoticeNeedsPerson   NoticeKind = "needs_person"   // Spotify has taken people's consent back
	NoticeDoorClosed    NoticeKind = "door_closed"    // Spotify has refused an app for more than an hour
	NoticeOutageBegan   NoticeKind = "outage_began"   // Spotify refuses nearly every renewal of an app
	NoticeOutageOver    NoticeKind = "outage_over"    // and honours them again
	NoticeSeatAsked     NoticeKind = "seat_asked"     // people ask to be entered in an app's dashboard, and have said as whom
	NoticeSeatEntered   NoticeKind = "seat_entered"   // the person has been entered, and can link
)

// NoticeFor is who is told.
type NoticeFor string

// Who is told.
const (
	NoticeForPerson   NoticeFor = "person"
	NoticeForOperator NoticeFor = "operator"
)

// noticeKinds is all that is told. A further kind is a row here, words for it
// where it is sent, and whoever finds out that it is wanted: for the states of
// links that is the row's own function.
var noticeKinds = []struct {
	kind NoticeKind
	to   NoticeFor
	// gathered kinds are about people and for somebody else: one message tells of all.
	gathered bool
	// link reports whether a link that wants that of its person wants the notice; nil: no link does.
	link func(Link, LinkTask) bool
}{
	{NoticeRelinkSoon, NoticeForPerson, false, func(_ Link, t LinkTask) bool { return t == TaskRelinkSoon }},
	{NoticeRelink, NoticeForPerson, false, func(_ Link, t LinkTask) bool { return t == TaskRelink }},
	// Who brought an app of their own has its dashboard.
	{NoticeNotRegistered, NoticeForOperator, true, func(l Link, t LinkTask) bool { return t == TaskAskOperator && !l.own() }},
	{NoticeNeedsPerson, NoticeForOperator, true, func(l Link, _ LinkTask) bool { return l.State == LinkReauthRequired }},
	{NoticeDoorClosed, NoticeForOperator, false, nil},
	{NoticeOutageBegan, NoticeForOperator, false, nil},
	{NoticeOutageOver, NoticeForOperator, false, nil},
	{NoticeSeatAsked, NoticeForOperator, true, nil},
	{NoticeSeatEntered, NoticeForPerson, false, nil},
}

func (l Link) own() bool {
	_, own := OwnClientID(l.App)
	return own
}

// NoticeKinds lists the kinds.
func NoticeKinds() []NoticeKind {
	kinds := make([]NoticeKind, len(noticeKinds))
	for i, k := range noticeKinds {
		kinds[i] = k.kind
	}
	return kinds
}

// For is who is told; empty for a kind that is none.
func (k NoticeKind) For() NoticeFor {
	for _, row := range noticeKinds {
		if row.kind == k {
			return row.to
		}
	}
	return ""
}

// Gathered reports whether one message tells of everybody, instead of one of each.
func (k NoticeKind) Gathered() bool {
	for _, row := range noticeKinds {
		if row.kind == k {
			return row.gathered
		}
	}
	return false
}

// NoticeChannel is a way by which somebody is told. It is fit for a metric's label.
type NoticeChannel string

// The channels.
const (
	ChannelMail         NoticeChannel = "mail"          // to the person
	ChannelOperatorMail NoticeChannel = "operator_mail" // to the operator
	ChannelWebhook      NoticeChannel = "webhook"       // to the operator
)

// Notice is something that somebody is to be told once: UserID, App, Kind,
// Occurrence and Channel name it, and nothing of that name is ever told twice.
type Notice struct {
	ID int64
	// UserID is whom it is about; 0: an app alone.
	UserID UserID
	// App is empty for those that people brought, where one message tells of all.
	App  string
	Kind NoticeKind
	// Occurrence tells one time of being in a state from the next.
	Occurrence string
	Channel    NoticeChannel
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
func NoticesOf(l Link, now time.Time) (notices []Notice) {
	task := l.Task(now)
	for _, row := range noticeKinds {
		if row.link != nil && row.link(l, task) {
			n := Notice{UserID: l.UserID, App: l.App, Kind: row.kind, Occurrence: strconv.FormatInt(l.Generation, 10)}
			if row.gathered && l.own() {
				n.App = "" // apps that people brought are told of as one
			}
			notices = append(notices, n)
		}
	}
	return notices
}

// NoticesOfSeat is what a seat wants somebody to be told, without a channel.
// Asking anew, with another address, is another time.
func NoticesOfSeat(s Seat) []Notice {
	kind, told := map[SeatState]NoticeKind{SeatHeld: NoticeSeatAsked, SeatEntered: NoticeSeatEntered}[s.State]
	if !told {
		return nil
	}
	return []Notice{{UserID: s.UserID, App: s.App, Kind: kind, Occurrence: strconv.FormatInt(s.StateSince.UnixMicro(), 10)}}
}

// NoticeMessage is notices that are told as one.
type NoticeMessage struct {
	// ID names the message; it is the same however often it is tried.
	ID      string
	Kind    NoticeKind
	App     string
	Channel NoticeChannel
	// Tries counts the tries, with the one that is about to be made.
	Tries int
	// Since is when the first of them was seen to be wanted.
	Since   time.Time
	Notices []Notice
}

// NoticeLink is a link as far as notices go: it has no tokens.
type NoticeLink struct {
	Link Link
	// Mail reports whether the person can be told by mail, and wants to be.
	Mail bool
}

// OfSeat reports whether a seat wants it, and not a link or an app.
func (k NoticeKind) OfSeat() bool { return k == NoticeSeatAsked || k == NoticeSeatEntered }

// NoticeSeat is a seat as far as notices go: it has no address.
type NoticeSeat struct {
	Seat Seat
	// Mail reports whether the person can be told by mail, and wants to be.
	Mail bool
}
