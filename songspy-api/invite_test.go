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
				t.Fatalf("before the schema is there: %d %s", code, stderr)
			}
			runCommand(t, environ, "migrate")
			if code, stdout, _ := runCommand(t, environ, "invite", "list"); code != 0 || stdout != "There is no invite; `songspy-api invite` makes one.\n" {
				t.Errorf("an empty list: %d %s", code, stdout)
			}
			code, stdout, stderr := runCommand(t, environ, "invite", "-uses", "3", "-days", "2", "-note", "the\tfamily")
			shown := regexp.MustCompile(`^([2-9A-HJ-NP-Z]{4}(?:-[2-9A-HJ-NP-Z]{4}){3})\n\nInvite 1 admits 3 people until [-0-9: ]+ UTC`).FindStringSubmatch(stdout)
			if code != 0 || shown == nil || !strings.Contains(stdout, `"invite" beside "accessToken" to POST http://127.0.0.1:8080/v1/songspy/google-auth`) {
				t.Fatalf("%d %s%s", code, stdout, stderr)
			}
			if !strings.Contains(stdout, "SONGSPY_SIGN_UP is open, so that no invite is looked at") {
				t.Errorf("it does not say that none is needed: %s", stdout)
			}
			environ["SONGSPY_SIGN_UP"] = "invite"
			if _, stdout, _ := runCommand(t, environ, "invite"); !strings.Contains(stdout, "Invite 2 admits 1 person until") || strings.Contains(stdout, "SONGSPY_SIGN_UP") {
				t.Errorf("another: %s", stdout)
			}
			_, list, _ := runCommand(t, environ, "invite", "list")
			if !regexp.MustCompile(`(?m)^1 +good +3 +3 .* the family$`).MatchString(list) || strings.Contains(list, shown[1]) {
				t.Errorf("the list:\n%s", list)
			}
			for range 2 {
				if code, stdout, _ := runCommand(t, environ, "invite", "revoke", "1"); code != 0 || stdout != "Invite 1 admits nobody any more; whom it has admitted stay.\n" {
					t.Errorf("revoked: %d %s", code, stdout)
				}
			}
			if code, _, stderr := runCommand(t, environ, "invite", "revoke", "404"); code != 1 || !strings.Contains(stderr, "There is no invite 404") {
				t.Errorf("none revoked: %d %s", code, stderr)
			}
		})
	}
}

func TestInvites_PrintATable(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	made, end := now.AddDate(0, 0, -1), now.AddDate(0, 0, 13)
	var out bytes.Buffer
	err := printInvites([]songspy.Invite{
		{ID: 12, Note: "family", Uses: 5, UsesLeft: 3, CreatedAt: made, ExpiresAt: end},
		{ID: 7, Uses: 1, CreatedAt: made, ExpiresAt: end},
		{ID: 6, Uses: 1, UsesLeft: 1, CreatedAt: made, ExpiresAt: now},
		{ID: 5, Uses: 1, UsesLeft: 1, CreatedAt: made, ExpiresAt: end, RevokedAt: &now},
	}, now, &out)
	want := `id  state    left  of  made                 until                note
12  good     3     5   2026-11-24 12:00:00  2026-12-08 12:00:00  family
7   spent    0     1   2026-11-24 12:00:00  2026-12-08 12:00:00  
6   expired  1     1   2026-11-24 12:00:00  2026-11-25 12:00:00  
5   revoked  1     1   2026-11-24 12:00:00  2026-12-08 12:00:00  
`
	if err != nil || out.String() != want {
		t.Errorf("%v:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestInvite_PrintsUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-uses", "0"},
		{"-uses", "many"},
		{"-days", "0"},
		{"-days", "1000"},
		{"-note", strings.Repeat("x", 201)},
		{"-h"},
		{"revoke"},
		{"revoke", "all"},
		{"revoke", "-1"},
		{"list", "all"},
		{"five"},
	} {
		var out bytes.Buffer
		err := invite(t.Context(), settings{}, args, &out)
		if songspy.CodeOf(err) != songspy.CodeInvalid || !strings.Contains(err.Error(), "songspy-api invite") || out.Len() > 0 {
			t.Errorf("%v: %v", args, err)
		}
	}
}
