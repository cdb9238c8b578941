package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

func TestInvite_PrintsItsCodeOnce(t *testing.T) {
	for _, engine := range []string{storetest.SQLite, storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			environ := environment(t, storetest.New(t, engine).URL, "http://127.0.0.1:1")
			if code, _, stderr := runCommand(t, environ, "invite"); code != 1 || !strings.Contains(stderr, "songspy-api migrate") {
				t.Fatalf("without a schema: code %d, %s", code, stderr)
			}
			runCommand(t, environ, "migrate")
			if code, stdout, _ := runCommand(t, environ, "invite", "list"); code != 0 || stdout != "There are no invites; `songspy-api invite` creates one.\n" {
				t.Errorf("an empty list: code %d, %s", code, stdout)
			}
			code, stdout, stderr := runCommand(t, environ, "invite", "--uses", "3", "--days", "2", "--note", "the\tfamily")
			shown := regexp.MustCompile(`^([2-9A-HJ-NP-Z]{4}(?:-[2-9A-HJ-NP-Z]{4}){3})\n\nInvite 1 admits 3 users until [-0-9: ]+ UTC`).FindStringSubmatch(stdout)
			if code != 0 || shown == nil || !strings.Contains(stdout, `"invite" together with "accessToken" to POST http://127.0.0.1:8080/v1/songspy/google-auth`) {
				t.Fatalf("%d %s%s", code, stdout, stderr)
			}
			if !strings.Contains(stdout, "SONGSPY_SIGN_UP is open, so invites are ignored") {
				t.Errorf("the output does not say that invites are ignored: %s", stdout)
			}
			environ["SONGSPY_SIGN_UP"] = "invite"
			if _, stdout, _ := runCommand(t, environ, "invite"); !strings.Contains(stdout, "Invite 2 admits 1 user until") || strings.Contains(stdout, "SONGSPY_SIGN_UP") {
				t.Errorf("the second invite: %s", stdout)
			}
			_, list, _ := runCommand(t, environ, "invite", "list")
			if !regexp.MustCompile(`(?m)^1 +valid +3 +3 .* the family$`).MatchString(list) || strings.Contains(list, shown[1]) {
				t.Errorf("the list:\n%s", list)
			}
			for range 2 {
				if code, stdout, _ := runCommand(t, environ, "invite", "revoke", "1"); code != 0 || stdout != "Invite 1 is revoked; admitted users keep their accounts.\n" {
					t.Errorf("revoked: code %d, %s", code, stdout)
				}
			}
			if code, _, stderr := runCommand(t, environ, "invite", "revoke", "404"); code != 1 || !strings.Contains(stderr, "Invite 404 does not exist") {
				t.Errorf("an unknown invite: code %d, %s", code, stderr)
			}
		})
	}
}

func TestInvites_PrintATable(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	created, end := now.AddDate(0, 0, -1), now.AddDate(0, 0, 13)
	var out bytes.Buffer
	err := printInvites([]songspy.Invite{
		{ID: 12, Note: "family", Uses: 5, UsesLeft: 3, CreatedAt: created, ExpiresAt: end},
		{ID: 7, Uses: 1, CreatedAt: created, ExpiresAt: end},
		{ID: 6, Uses: 1, UsesLeft: 1, CreatedAt: created, ExpiresAt: now},
		{ID: 5, Uses: 1, UsesLeft: 1, CreatedAt: created, ExpiresAt: end, RevokedAt: &now},
	}, now, &out)
	want := `id  state    left  of  created              until                note
12  valid    3     5   2026-11-24 12:00:00  2026-12-08 12:00:00  family
7   used_up  0     1   2026-11-24 12:00:00  2026-12-08 12:00:00  
6   expired  1     1   2026-11-24 12:00:00  2026-11-25 12:00:00  
5   revoked  1     1   2026-11-24 12:00:00  2026-12-08 12:00:00  
`
	if err != nil || out.String() != want {
		t.Errorf("error %v, printed:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestInvite_RejectsWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--uses", "0"},
		{"--uses", "many"},
		{"--days", "0"},
		{"--days", "1000"},
		{"--note", strings.Repeat("x", 201)},
		{"--code"},
		{"revoke"},
		{"revoke", "all"},
		{"revoke", "-1"},
		{"list", "all"},
		{"five"},
	} {
		code, stdout, stderr := runCommand(t, nil, append([]string{"invite"}, args...)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, "songspy-api invite") {
			t.Errorf("invite %v: code %d, printed %q and %q", args, code, stdout, stderr)
		}
	}
}
