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

// Message is one message to one receiver, with its texts, and the notifications that it
// covers.
type Message struct {
	songspy.NotificationMessage
	// To is the e-mail address of the receiver. It is empty for the webhook.
	To songspy.Secret
	// At is the time of this attempt to send the message.
	At            time.Time
	Subject, Text string
}

// UserIDs returns the users that the message is about, in ascending order.
func (m Message) UserIDs() []songspy.UserID {
	ids := []songspy.UserID{}
	for _, n := range m.Notifications {
		if n.UserID != 0 {
			ids = append(ids, n.UserID)
		}
	}
	slices.Sort(ids)
	return ids
}

// compose returns the message with those notifications whose cause still exists. The
// result obsolete holds the other notifications. If the message has no notifications
// left, it must not be sent.
func (j *Job) compose(ctx context.Context, claimed songspy.NotificationMessage, now time.Time) (m Message, obsolete []songspy.Notification, err error) {
	wanted, obsolete, links, err := j.splitCurrent(ctx, claimed.Notifications, now)
	if err != nil || len(wanted) == 0 {
		return m, obsolete, err
	}
	m = Message{NotificationMessage: claimed, At: now}
	m.Notifications = wanted
	switch claimed.Channel {
	case songspy.ChannelMail:
		box, err := j.Links.Mailbox(ctx, wanted[0].UserID)
		switch {
		case songspy.CodeOf(err) == songspy.CodeNotFound, err == nil && (box.OptedOut || box.Address == ""):
			return Message{}, claimed.Notifications, nil // the user was erased or switched e-mails off meanwhile, or has no readable address
		case err != nil:
			return m, nil, err
		}
		m.To = box.Address
	case songspy.ChannelOperatorMail:
		m.To = j.OperatorAddress
	}
	m.Subject, m.Text = render(m, links[wanted[0].UserID], j.RelinkURL)
	return m, obsolete, nil
}

// render returns the subject and text of a message, in Korean and then in
// English, because the language of the receiver is not known.
func render(m Message, link songspy.Link, page string) (subject, text string) {
	w := texts[m.Kind]
	users := m.UserIDs()
	fill := strings.NewReplacer(
		"{count}", strconv.Itoa(len(users)),
		"{users}", listUsers(users),
		"{app}", cmp.Or(m.App, "(user-supplied)"),
		"{circuit}", m.Notifications[0].Occurrence,
		"{since}", m.Since.UTC().Format("2006-01-02 15:04 UTC"),
		"{end}", link.ConsentEndsAt().UTC().Format(time.DateOnly),
		"{page}", page,
	)
	subject = fill.Replace(w.koreanSubject + " / " + w.englishSubject)
	text = fill.Replace(w.koreanText + "\n\n" + w.englishText)
	if m.Kind.Recipient() == songspy.RecipientUser {
		text += "\n\n" + footer
	}
	return subject, text + "\n"
}

// listUsers returns a text with the first 50 user IDs. If there are more users, the
// text ends with the number of the others, such as (+70).
func listUsers(users []songspy.UserID) string {
	const maxListed = 50
	var b strings.Builder
	for i, id := range users[:min(maxListed, len(users))] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, int64(id))
	}
	if more := len(users) - maxListed; more > 0 {
		fmt.Fprintf(&b, ", … (+%d)", more)
	}
	return b.String()
}
