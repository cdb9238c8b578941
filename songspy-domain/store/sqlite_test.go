package store

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestSQLite_AcceptsAnyFileNameAndCreatesItPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a name with %20, ü & more.db")
	s, err := Open(t.Context(), Options{URL: "sqlite:" + path, SealKeys: []SealKey{sealKey("a", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has the mode %o", filepath.Base(file), mode)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWALTruncator_RetriesUntilItSucceeds(t *testing.T) {
	for name, c := range map[string]struct {
		fault       error
		wantWarning bool
	}{
		"while somebody reads":          {errWALInUse, false},
		"while the disk takes no write": {errors.New("disk I/O error"), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				tries, last := 0, time.Now()
				l := startWALTruncator(slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error {
					if gap := time.Since(last); gap > truncateRetryMax {
						t.Errorf("nothing was tried for %s", gap)
					}
					last = time.Now()
					if tries++; tries <= 20 {
						return c.fault
					}
					return nil
				})
				synctest.Wait()
				if tries != 0 {
					t.Errorf("tried %d times without a request", tries)
				}
				for range 3 {
					l.request() // must return at once, although no truncation succeeds yet
				}
				<-time.After(time.Hour)
				synctest.Wait()
				if tries != 21 && tries != 22 { // 22 if another request came after the goroutine had received the first one: it then truncates once more
					t.Errorf("tried %d times, want until the first success", tries)
				}
				if reported := strings.Count(log.String(), "level=WARN"); c.wantWarning != (reported == 1) || reported > 1 {
					t.Errorf("the log has %d reports: %s", reported, log.String())
				}
				l.stop()
			})
		})
	}
}

func TestWALTruncator_StopsWhileItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startWALTruncator(slog.New(slog.DiscardHandler), func(context.Context) error { return errWALInUse })
		l.request()
		<-time.After(time.Minute)
		l.stop()
	})
}

func TestEraseUser_DoesNotWaitForAReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "songspy.db")
	s, err := Open(t.Context(), Options{URL: "sqlite:" + path, SealKeys: []SealKey{sealKey("a", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, _, err := s.SignIn(t.Context(), songspy.GoogleProfile{Subject: "a-subject-to-forget"}, songspy.AudienceEveryone)
	if err != nil {
		t.Fatal(err)
	}
	e := s.engine.(*sqliteEngine)
	reader, err := openSQLite(Options{URL: "sqlite:" + path, Logger: slog.New(slog.DiscardHandler)}) // stands for another process that uses the same file
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.close(); err != nil {
			t.Error(err)
		}
	}()
	conn, err := reader.sql().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var users int
	if _, err := conn.ExecContext(t.Context(), "BEGIN DEFERRED"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&users); err != nil || users != 1 {
		t.Fatal(users, err)
	}
	if _, err := s.EraseUser(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if err := e.truncateWAL(t.Context()); !errors.Is(err, errWALInUse) {
		t.Errorf("truncated while another process reads: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	for err := errWALInUse; err != nil; err = e.truncateWAL(t.Context()) {
		if !errors.Is(err, errWALInUse) {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log holds %v, %v", info, err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "a-subject-to-forget") {
		t.Errorf("the file still contains erased data, %v", err)
	}
}

func TestSQLite_SecureDeleteIsOnForEveryConnection(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "songspy.db"), SealKeys: []SealKey{sealKey("a", 1)}, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range 4 {
		conn, err := s.engine.sql().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var on, busy int
		if err := conn.QueryRowContext(t.Context(), "PRAGMA secure_delete").Scan(&on); err != nil || on != 1 {
			t.Errorf("secure_delete is %d, %v", on, err)
		}
		if err := conn.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&busy); err != nil || busy != 10_000 {
			t.Errorf("busy_timeout is %d, %v", busy, err)
		}
	}
}

func TestSQLite_TruncatesTheWALAfterEveryErasure(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "songspy.db"), SealKeys: []SealKey{sealKey("a", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, _, err := s.SignIn(t.Context(), songspy.GoogleProfile{Subject: "a-subject"}, songspy.AudienceEveryone)
	if err != nil {
		t.Fatal(err)
	}
	apps := []songspy.AppSeats{{App: "small", Seats: 1}}
	if _, err := s.AskSeat(t.Context(), u.ID, "a@example.org", apps); err != nil {
		t.Fatal(err)
	}
	truncator := s.engine.(*sqliteEngine).truncator
	truncator.stop() // its goroutine receives no requests any more, so the test can count them in the channel wake
	for name, erase := range map[string]func() error{
		"EnterSeat":     func() error { _, err := s.EnterSeat(t.Context(), u.ID); return err },
		"PruneSeats":    func() error { _, err := s.PruneSeats(t.Context(), time.Time{}, time.Time{}); return err },
		"PruneTokens":   func() error { _, err := s.PruneTokens(t.Context(), time.Now()); return err },
		"PruneSessions": func() error { _, err := s.PruneSessions(t.Context(), time.Now()); return err },
	} {
		for len(truncator.wake) > 0 {
			<-truncator.wake
		}
		if err := erase(); err != nil || len(truncator.wake) != 1 {
			t.Errorf("%s: %v; asked %d times to empty the log", name, err, len(truncator.wake))
		}
	}
}
