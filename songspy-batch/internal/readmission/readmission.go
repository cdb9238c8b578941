// Package readmission lets people be asked again whom Spotify refused because
// the app's owner had not entered them: nobody tells us when the owner does.
package readmission

import (
	"context"
	"errors"
	"log/slog"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// after is how long a refusal is believed.
	after = 24 * time.Hour
	// atOnce bounds the people readmitted by one run; the next takes the rest.
	atOnce = 100
)

// Links is where refused links are found and changed.
type Links interface {
	// NotRegistered gives up to limit people refused since before the time, longest first.
	NotRegistered(ctx context.Context, before time.Time, limit int) ([]songspy.UserID, error)
	// UpdateLink changes one link; an error of fn leaves it as it is.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
}

// Job readmits whoever was refused a day ago. The sweep then asks them at once,
// and one more refusal puts them back for another day.
type Job struct {
	Links  Links
	Now    func() time.Time
	Logger *slog.Logger
}

// errChanged says that a link is not refused any more.
var errChanged = errors.New("the link was changed meanwhile")

// Run readmits once. One link's fault does not keep the others out.
func (j Job) Run(ctx context.Context) error {
	now := j.Now()
	ids, err := j.Links.NotRegistered(ctx, now.Add(-after), atOnce)
	if err != nil {
		return err
	}
	var faults []error
	readmitted := 0
	for _, id := range ids {
		_, err := j.Links.UpdateLink(ctx, id, func(l *songspy.Link) error {
			if l.State != songspy.LinkNotRegistered {
				return errChanged
			}
			l.State, l.StateSince = songspy.LinkActive, now
			return nil
		})
		switch {
		case err == nil:
			readmitted++
		case errors.Is(err, errChanged), songspy.CodeOf(err) == songspy.CodeNotFound:
		default:
			faults = append(faults, err)
		}
	}
	if readmitted > 0 {
		j.Logger.InfoContext(ctx, "asking again who was not registered", "people", readmitted)
	}
	return errors.Join(faults...)
}
