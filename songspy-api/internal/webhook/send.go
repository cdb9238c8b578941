package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

const (
	// interval is how often the sender compares the board with what the last messages said.
	interval = time.Second
	// reloadInterval is how often Run looks for webhooks that users have set or deleted.
	reloadInterval = 5 * time.Second
	// leaseName names the lease (the right to send) of the sender. It lasts for leaseLength
	// and is renewed every leaseRenewal.
	leaseName                 = "webhooks"
	leaseLength, leaseRenewal = 15 * time.Second, 5 * time.Second
	// storeTimeout limits one call of the store.
	storeTimeout = 4 * time.Second
	// claimLength is how long other processes do not send a message that one process has
	// begun to send. Sending it and storing the result takes less time.
	claimLength = 30 * time.Second
	// sendersMax limits the messages that are sent at the same time.
	sendersMax = 64
	// loadPage is how many webhooks one query reads.
	loadPage = 500

	// firstRetry is the wait after a first failure. Each further failure in a row doubles
	// the wait, up to lastRetry. A webhook that has failed for offAfter is switched off.
	firstRetry, lastRetry = 5 * time.Second, time.Hour
	offAfter              = 3 * 24 * time.Hour
)

// hook is a webhook that is on, as this process last stored or read it.
type hook struct {
	songspy.Webhook
	busy bool // a message is being sent
}

// Run sends messages until ctx ends, while this process has the lease.
func (s *Service) Run(ctx context.Context) {
	owner := rand.Text()
	defer s.sending.Wait()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		if err := s.Store.ReleaseLease(ctx, leaseName, owner); err != nil {
			s.Log.WarnContext(ctx, "releasing the lease of the webhooks failed; another replica takes over when it expires", slog.Any(logkey.Error, err))
		}
	}()
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	var heldUntil, askedAt, loadedAt time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now := s.Now()
		if now.Sub(askedAt).Abs() >= leaseRenewal {
			askedAt = now
			if s.lease(ctx, owner) {
				heldUntil = now.Add(leaseLength - storeTimeout) // earlier than the lease ends, because the database's clock may run faster
			}
		}
		if !now.Before(heldUntil) {
			loadedAt = time.Time{} // another replica may send now, so the known webhooks become outdated
			s.forget()
			continue
		}
		if now.Sub(loadedAt).Abs() >= reloadInterval && s.reload(ctx) {
			loadedAt = now
		}
		s.sendChanges(ctx)
	}
}

func (s *Service) lease(ctx context.Context, owner string) bool {
	within, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	held, err := s.Store.AcquireLease(within, leaseName, owner, leaseLength)
	if err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "requesting the lease of the webhooks failed; trying again", slog.Any(logkey.Error, err))
	}
	return held
}

func (s *Service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = map[songspy.UserID]*hook{}
}

// reload reads the webhooks that this process does not know yet, and forgets those that
// were deleted, replaced or switched off. It returns false if the store failed.
func (s *Service) reload(ctx context.Context) bool {
	within, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	ids, err := s.Store.WebhookIDs(within)
	var found []songspy.Webhook
	if err == nil {
		for page := range slices.Chunk(s.unknown(ids), loadPage) {
			webhooks, failed := s.Store.WebhooksByUser(within, page)
			if err = failed; err != nil {
				break
			}
			found = append(found, webhooks...)
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			s.Log.WarnContext(ctx, "reading the webhooks of users failed; trying again", slog.Any(logkey.Error, err))
		}
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.hooks, func(user songspy.UserID, h *hook) bool { return ids[user] != h.ID })
	for _, w := range found {
		if w.OffAt == nil && s.hooks[w.UserID] == nil {
			s.hooks[w.UserID] = &hook{Webhook: w}
		}
	}
	return true
}

// unknown returns the users in ids whose webhook this process does not know.
func (s *Service) unknown(ids map[songspy.UserID]songspy.PublicID) (users []songspy.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for user, id := range ids {
		if h := s.hooks[user]; h == nil || h.ID != id {
			users = append(users, user)
		}
	}
	return users
}

// sendChanges begins to send a message to each webhook whose last message was not delivered,
// or does not say what the board shows now. It skips webhooks that have to wait after a
// failure, and sends at most sendersMax messages at a time.
func (s *Service) sendChanges(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, busy := s.Now(), 0
	for _, h := range s.hooks {
		if h.busy {
			busy++
		}
	}
	for user, h := range s.hooks {
		if busy >= sendersMax {
			return
		}
		if h.busy || now.Before(h.NextAttemptAt) {
			continue
		}
		seen, err := s.visible(user)
		if err != nil {
			return // the board is not available
		}
		says := fingerprint(h.Key, seen)
		if h.Delivered && bytes.Equal(says, h.Fingerprint) {
			continue
		}
		h.busy = true
		busy++
		s.sending.Go(func() { s.send(ctx, h, seen, says) })
	}
}

// fingerprint returns a keyed hash of the track and of the start of the play, or nil if nothing
// plays. Because of the start, another play of the same track has another fingerprint.
func fingerprint(key songspy.Secret, seen *visibility.Seen[songspy.BoardEntry]) []byte {
	if seen == nil {
		return nil
	}
	p := seen.Value()
	var said [16]byte
	binary.BigEndian.PutUint64(said[:8], uint64(p.Track.PublicID))
	binary.BigEndian.PutUint64(said[8:], uint64(p.Playing.StartedAt.UnixMicro()))
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(said[:])
	return mac.Sum(nil)
}

// send makes one attempt to send a message about the argument seen, which is nil if nothing plays.
// The argument says is the fingerprint of seen. The function send stores the state of the webhook
// before the attempt and after it.
func (s *Service) send(ctx context.Context, h *hook, seen *visibility.Seen[songspy.BoardEntry], says []byte) {
	w, read := h.Webhook, h.Sequence
	keep := func(w songspy.Webhook, known bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		h.Webhook, h.busy = w, false
		if !known && s.hooks[w.UserID] == h {
			delete(s.hooks, w.UserID) // the next reload reads the stored state
		}
	}
	now := s.Now()
	if !bytes.Equal(says, w.Fingerprint) {
		w.Sequence++
		w.Fingerprint = says
	}
	w.Delivered, w.NextAttemptAt = false, now.Add(claimLength)
	if err := s.update(ctx, w, read); err != nil {
		keep(h.Webhook, songspy.CodeOf(err) != songspy.CodeConflict)
		return
	}
	kind := typePlaying
	if seen == nil {
		kind = typeStopped
	}
	body, err := s.body(kind, seen, now)
	if err != nil {
		s.Log.ErrorContext(ctx, "a message to a webhook could not be built", slog.Any(logkey.Error, err))
		keep(w, true)
		return
	}
	_, failure := s.post(ctx, w, messageID(w), body, now)
	if ctx.Err() != nil { // the process ends: another one sends the message again, with the same id
		keep(w, false)
		return
	}
	w = s.after(w, failure, s.Now())
	keep(w, s.update(ctx, w, w.Sequence) == nil && w.OffAt == nil)
}

// messageID returns the id of the last message of a webhook. It is the same in every
// attempt.
func messageID(w songspy.Webhook) string {
	return "msg_" + songspy.Handle(w.ID) + "_" + strconv.FormatInt(w.Sequence, 10)
}

// after returns the webhook with the result of an attempt that ended at the given time. The
// failure is empty if the message was delivered. The function after also counts the attempt
// in the metrics.
func (s *Service) after(w songspy.Webhook, failure songspy.WebhookFailure, at time.Time) songspy.Webhook {
	outcome := "delivered"
	if failure == "" {
		w.Delivered, w.Attempts, w.FailingSince, w.Failure, w.DeliveredAt, w.NextAttemptAt = true, 0, nil, "", &at, at
	} else {
		outcome = "failed"
		w.Attempts++
		w.Failure, w.NextAttemptAt = failure, at.Add(retryWait(w.Attempts))
		if w.FailingSince == nil {
			w.FailingSince = &at
		}
		if failure == songspy.WebhookGone || at.Sub(*w.FailingSince) >= offAfter {
			outcome, w.OffAt = "switched_off", &at
		}
	}
	s.messages.WithLabelValues(outcome).Inc()
	return w
}

// retryWait returns how long to wait after this number of failures in a row.
func retryWait(failures int) time.Duration {
	const doublingsMax = 10 // firstRetry doubled ten times is more than lastRetry
	return min(firstRetry<<min(failures-1, doublingsMax), lastRetry)
}

func (s *Service) update(ctx context.Context, w songspy.Webhook, read int64) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := s.Store.UpdateWebhook(ctx, w, read)
	if err != nil && songspy.CodeOf(err) != songspy.CodeConflict {
		s.Log.WarnContext(ctx, "the state of a webhook could not be stored", slog.Int64(logkey.UserID, int64(w.UserID)), slog.Any(logkey.Error, err))
	}
	return err
}
