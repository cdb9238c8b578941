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

func TestLogEmptier_TriesUntilItSucceeds(t *testing.T) {
	for name, c := range map[string]struct {
		fault error
		tells bool
	}{
		"while somebody reads":          {errLogInUse, false},
		"while the disk takes no write": {errors.New("disk I/O error"), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				tries, last := 0, time.Now()
				l := startLogEmptier(slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error {
					if gap := time.Since(last); gap > emptyAgainMost {
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
					t.Errorf("tried %d times unasked", tries)
				}
				for range 3 {
					l.erased() // must not wait
				}
				<-time.After(time.Hour)
				synctest.Wait()
				if tries != 21 && tries != 22 { // asked again before the first attempt
					t.Errorf("tried %d times, want until the first success", tries)
				}
				if told := strings.Count(log.String(), "level=WARN"); c.tells != (told == 1) || told > 1 {
					t.Errorf("the log was told %d times: %s", told, log.String())
				}
				l.stop()
			})
		})
	}
}

func TestLogEmptier_EndsWhileItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLogEmptier(slog.New(slog.DiscardHandler), func(context.Context) error { return errLogInUse })
		l.erased()
		<-time.After(time.Minute)
		l.stop()
	})
}

func TestErasing_DoesNotWaitForAReader(t *testing.T) {
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
	reader, err := openSQLite(Options{URL: "sqlite:" + path, Logger: slog.New(slog.DiscardHandler)}) // another process
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
	var people int
	if _, err := conn.ExecContext(t.Context(), "BEGIN DEFERRED"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&people); err != nil || people != 1 {
		t.Fatal(people, err)
	}
	if _, err := s.EraseUser(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if err := e.emptyLog(t.Context()); !errors.Is(err, errLogInUse) {
		t.Errorf("emptied under a reader: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	for err := errLogInUse; err != nil; err = e.emptyLog(t.Context()) {
		if !errors.Is(err, errLogInUse) {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log holds %v, %v", info, err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "a-subject-to-forget") {
		t.Errorf("the file holds what was erased, %v", err)
	}
}

func TestSQLite_OverwritesOnEveryConnection(t *testing.T) {
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

func TestSQLite_EmptiesItsLogAfterWhateverTakesSomethingAway(t *testing.T) {
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
	emptier := s.engine.(*sqliteEngine).emptier
	emptier.stop() // what it is asked for stays to be seen
	for name, takeAway := range map[string]func() error{
		"EnterSeat":     func() error { _, err := s.EnterSeat(t.Context(), u.ID); return err },
		"ForgetSeats":   func() error { _, err := s.ForgetSeats(t.Context(), time.Time{}, time.Time{}); return err },
		"ForgetTokens":  func() error { _, err := s.ForgetTokens(t.Context(), time.Now()); return err },
		"PruneSessions": func() error { _, err := s.PruneSessions(t.Context(), time.Now()); return err },
	} {
		for len(emptier.wake) > 0 {
			<-emptier.wake
		}
		if err := takeAway(); err != nil || len(emptier.wake) != 1 {
			t.Errorf("%s: %v; asked %d times to empty the log", name, err, len(emptier.wake))
		}
	}
}
