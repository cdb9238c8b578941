package notify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Letter is a message, ready to be sent.
type Message struct {
	songspy.NotificationMessage
	// To is the address; empty for the webhook, which has its own.
	To songspy.Secret
	// At is when it is sent.
	At            time.Time
	Subject, Text string
}

// Users are the people whom it is about, by ascending id.
func (l Message) UserIDs() []songspy.UserID {
	ids := []songspy.UserID{}
	for _, n := range l.Notifications {
		if n.UserID != 0 {
			ids = append(ids, n.UserID)
		}
	}
	slices.Sort(ids)
	return ids
}

// compose makes a letter of what is still wanted of a message, and gives what is
// not. A letter without notices is none.
func (j *Job) compose(ctx context.Context, m songspy.NotificationMessage, now time.Time) (l Message, passed []songspy.Notification, err error) {
	wanted, passed, links, err := j.splitCurrent(ctx, m.Notifications, now)
	if err != nil || len(wanted) == 0 {
		return l, passed, err
	}
	l = Message{NotificationMessage: m, At: now}
	l.Notifications = wanted
	switch m.Channel {
	case songspy.ChannelMail:
		box, err := j.Links.Mailbox(ctx, wanted[0].UserID)
		switch {
		case songspy.CodeOf(err) == songspy.CodeNotFound, err == nil && (box.OptedOut || box.Address == ""):
			return Message{}, m.Notifications, nil // erased or switched off meanwhile
		case err != nil:
			return l, nil, err
		}
		l.To = box.Address
	case songspy.ChannelOperatorMail:
		l.To = j.OperatorAddress
	}
	l.Subject, l.Text = render(l, links[wanted[0].UserID], j.RelinkURL)
	return l, passed, nil
}

// say puts a letter into words, Korean first, then English: in which language
// somebody reads is not known.
func render(l Message, link songspy.Link, page string) (subject, text string) {
	w := texts[l.Kind]
	users := l.UserIDs()
	fill := strings.NewReplacer(
		"{count}", strconv.Itoa(len(users)),
		"{users}", listUsers(users),
		"{app}", cmp.Or(l.App, "–"),
		"{door}", l.Notifications[0].Occurrence,
		"{since}", l.Since.UTC().Format("2006-01-02 15:04 UTC"),
		"{end}", link.ConsentEndsAt().UTC().Format(time.DateOnly),
		"{page}", page,
	)
	subject = fill.Replace(w.korean.subject + " / " + w.english.subject)
	text = fill.Replace(w.korean.text + "\n\n" + w.english.text)
	if l.Kind.Recipient() == songspy.RecipientUser {
		text += "\n\n" + footer.korean.text + "\n" + footer.english.text
	}
	return subject, text + "\n"
}

// list names some of the people, and how many there are besides.
func listUsers(users []songspy.UserID) string {
	const most = 50
	var b strings.Builder
	for i, id := range users[:min(most, len(users))] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, int64(id))
	}
	if more := len(users) - most; more > 0 {
		fmt.Fprintf(&b, ", … (+%d)", more)
	}
	return b.String()
}
