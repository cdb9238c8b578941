package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestCondition_FollowsThePolicy(t *testing.T) {
	list, err := ParseAllowlist(annsMail + ", @family.example.org")
	if err != nil {
		t.Fatal(err)
	}
	code, hash := NewInviteCode()
	for name, c := range map[string]struct {
		policy        Policy
		email, invite songspy.Secret
		reason        string
		usesInvite    []byte
	}{
		"open":                            {PolicyOpen, "", "", "", nil},
		"open uses no invite":             {PolicyOpen, annsMail, code, "", nil},
		"no invite":                       {PolicyInvite, annsMail, "", "INVITE_REQUIRED", nil},
		"an empty invite":                 {PolicyInvite, annsMail, " ", "INVITE_REQUIRED", nil},
		"an invite":                       {PolicyInvite, "", code, "", hash},
		"a text that is not an invite":    {PolicyInvite, annsMail, "let me in", "INVITE_INVALID", nil},
		"on the list":                     {PolicyAllowlist, annsMail, "", "", nil},
		"on the list, with an invite":     {PolicyAllowlist, annsMail, code, "", nil},
		"domain on the list":              {PolicyAllowlist, "bob@family.example.org", "", "", nil},
		"not on the list":                 {PolicyAllowlist, "eve@example.org", "", "SIGN_UP_CLOSED", nil},
		"not on the list, with an invite": {PolicyAllowlist, "eve@example.org", code, "SIGN_UP_CLOSED", nil},
		"without a verified address":      {PolicyAllowlist, "", "", "SIGN_UP_CLOSED", nil},
		"unknown policy":                  {"", annsMail, code, "SIGN_UP_CLOSED", nil},
	} {
		t.Run(name, func(t *testing.T) {
			rule := SignUp{Policy: c.policy, Allowlist: list}
			condition := rule.Condition(songspy.GoogleProfile{Subject: "g", Email: c.email}, c.invite)
			wantReason(t, condition.Refusal, c.reason)
			if !bytes.Equal(condition.InviteHash, c.usesInvite) || c.reason != "" && songspy.CodeOf(condition.Refusal) != songspy.CodeForbidden {
				t.Errorf("the condition is %+v, want reason %q and invite hash %x", condition, c.reason, c.usesInvite)
			}
			for _, secret := range []songspy.Secret{c.email, c.invite, annsMail} {
				if len(secret) > 1 && strings.Contains(fmt.Sprintf("%+v %#v %v", rule, rule, condition.Refusal), secret.Reveal()) {
					t.Error("the text form shows an address or a code")
				}
			}
		})
	}
}

func TestAllowlist_NormalizesAddresses(t *testing.T) {
	list, err := ParseAllowlist("Ann.Lee@Example.ORG,\n  @한국.example,@xn--bcher-kva.example\r\njosé@example.org\tkim@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for email, has := range map[songspy.Secret]bool{
		"ann.lee@example.org":           true,
		"ANN.LEE@EXAMPLE.ORG":           true,
		"annlee@example.org":            false,
		"ann.lee+x@example.org":         false,
		"ann.lee@sub.example.org":       false,
		"ann.lee@example.org.evil.test": false,
		"ann.lee@evilexample.org":       false,
		"ann.lee@example.org.":          false,
		"ann.lee@example.org@evil.test": false,
		"x@ann.lee@example.org":         false,
		"bob@한국.example":                true,
		"bob@xn--3e0b707e.example":      true,
		"bob@sub.한국.example":            false,
		"bob@bücher.example":            true,
		"bob@BÜCHER.example":            true,
		"bob@bucher.example":            false,
		"josé@example.org":              true,
		"jose@example.org":              false,
		"kim@example.org":               true,
		"\u212Aim@example.org":          false, // the Kelvin sign, whose lower case is k
		"@한국.example":                   false,
		"한국.example":                    false,
		"":                              false,
		"ann.lee":                       false,
	} {
		if list.Contains(email) != has {
			t.Errorf("%q: on the list %v, want %v", email.Reveal(), !has, has)
		}
	}
	if (Allowlist{}).Contains("ann@example.org") {
		t.Error("an empty list contains an address")
	}
}

func TestAllowlist_NamesInvalidEntriesByTheirNumber(t *testing.T) {
	for text, want := range map[songspy.Secret]string{
		"":                                 "has no entries",
		" ,\n,":                            "has no entries",
		"example.org":                      "entry 1 ",
		"@":                                "entry 1 ",
		"ann@":                             "entry 1 ",
		"ann@localhost":                    "entry 1 ",
		"@com":                             "entry 1 ",
		"@.example.org":                    "entry 1 ",
		"@example.org.":                    "entry 1 ",
		"@*.example.org":                   "entry 1 ",
		"*@example.org":                    "entry 1 ",
		"@exa_mple.org":                    "entry 1 ",
		"ann@b@example.org":                "entry 1 ",
		"<ann@example.org>":                "entry 1 ",
		"a@example.org;b@example.org":      "entry 1 ",
		"a@example.org,b,@c.org\n@[::1] d": "entries 2, 4, 5 ",
	} {
		list, err := ParseAllowlist(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "example") || list.Contains("a@example.org") {
			t.Errorf("%q: error %v, want %q", text.Reveal(), err, want)
		}
	}
}

func TestHashInviteCode_IgnoresCaseSpacesAndDashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code, hash := NewInviteCode()
		letters := []rune(strings.ReplaceAll(code.Reveal(), "-", ""))
		if len(letters) != inviteLength || strings.ContainsAny(code.Reveal(), "0O1I") {
			t.Fatalf("the code has %d characters, or one that is easily confused: %s", len(letters), code.Reveal())
		}
		var typed strings.Builder
		for _, letter := range letters {
			typed.WriteString(rapid.SampledFrom([]string{"", "", "-", " ", "–", "\u00a0"}).Draw(t, "between"))
			if rapid.Bool().Draw(t, "small") {
				letter = []rune(strings.ToLower(string(letter)))[0]
			}
			typed.WriteRune(letter)
		}
		got, ok := HashInviteCode(songspy.Secret(typed.String()))
		if !ok || !bytes.Equal(got, hash) {
			t.Fatalf("%q is not accepted as %s", typed.String(), code.Reveal())
		}
		wrong := []rune(typed.String())
		last := len(wrong) - 1
		wrong[last] = rune(inviteAlphabet[(strings.IndexRune(inviteAlphabet, letters[inviteLength-1])+1)%len(inviteAlphabet)])
		if other, _ := HashInviteCode(songspy.Secret(string(wrong))); bytes.Equal(other, hash) {
			t.Fatalf("%q is accepted as %s", string(wrong), code.Reveal())
		}
	})
}

func TestHashInviteCode_RejectsOtherTexts(t *testing.T) {
	for _, typed := range []songspy.Secret{"", "-", "ABCD-EFGH-JKLM-NPQ", "ABCD-EFGH-JKLM-NPQRS", "ABCD-EFGH-JKLM-NPQ0", "ABCD-EFGH-JKLM-NPQI", "ABCD-EFGH-JKLM-NPÄ", "ABCD_EFGH_JKLM_NPQR"} {
		if _, ok := HashInviteCode(typed); ok {
			t.Errorf("%q is accepted as a code", typed.Reveal())
		}
	}
}

func TestSignIn_AppliesThePolicyToNewUsers(t *testing.T) {
	w := newTestService(t)
	w.opts.SignUp = SignUp{Policy: PolicyInvite}
	_, _, _, err := w.SignIn(t.Context(), "good", "", "")
	wantReason(t, err, "INVITE_REQUIRED")
	if w.store.signIns != 0 || len(w.store.sessions) != 0 {
		t.Errorf("stored %d users and %d sessions, want none", w.store.signIns, len(w.store.sessions))
	}
	code, hash := NewInviteCode()
	if _, _, _, err := w.SignIn(t.Context(), "good", code, ""); err != nil || !bytes.Equal(w.store.condition.InviteHash, hash) {
		t.Errorf("with an invite: error %v, condition %+v", err, w.store.condition)
	}
	w.store.refusal = songspy.ErrInviteInvalid
	_, _, _, err = w.SignIn(t.Context(), "good", code, "")
	if !errors.Is(err, songspy.ErrInviteInvalid) || len(w.store.sessions) != 1 {
		t.Errorf("with a used invite: error %v, %d sessions", err, len(w.store.sessions))
	}
	for _, secret := range []string{annsMail, code.Reveal()} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestNew_NeedsAPolicy(t *testing.T) {
	if _, err := New(Options{Keys: []Key{key("a")}, SignUp: SignUp{Policy: "closed"}}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("an unknown policy: error %v", err)
	}
}
