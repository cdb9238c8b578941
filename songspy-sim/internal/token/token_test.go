package token

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var kinds = []Kind{SpotifyAccess, SpotifyRefresh, SpotifyCode, GoogleAccess, GoogleRefresh, GoogleCode}

func anyClaims(t *rapid.T) Claims {
	c := Claims{
		Person: rapid.IntRange(0, 1<<31).Draw(t, "person"), Generation: rapid.Uint16().Draw(t, "generation"),
		Client: rapid.Uint8().Draw(t, "client"), Scopes: rapid.Uint8().Draw(t, "scopes"), Public: rapid.Bool().Draw(t, "public"),
		At: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "at")),
	}
	if rapid.Bool().Draw(t, "code") {
		c.Redirect = "http://" + rapid.String().Draw(t, "redirect")
		c.Challenge, c.Nonce = rapid.String().Draw(t, "challenge"), rapid.String().Draw(t, "nonce")
	}
	return c
}

func TestRead_ReturnsWhatWasIssued(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codec := NewCodec(rapid.Uint64().Draw(t, "seed"))
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		want := anyClaims(t)
		got, ok := codec.Read(kind, codec.Issue(kind, want))
		want.Serial = got.Serial
		if !ok || got != want {
			t.Fatalf("issued %+v, read %+v, %v", want, got, ok)
		}
	})
}

func TestRead_RejectsForgedTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codec, claims := NewCodec(1), anyClaims(t)
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		issued := codec.Issue(kind, claims)
		if other := rapid.SampledFrom(kinds).Draw(t, "other kind"); other != kind {
			if _, ok := codec.Read(other, string(other)+issued[len(kind):]); ok {
				t.Fatalf("a token of kind %q is accepted as %q", kind, other)
			}
		}
		if _, ok := NewCodec(2).Read(kind, issued); ok {
			t.Fatal("another seed's token is accepted")
		}
		forged := []byte(issued)
		i := rapid.IntRange(len(kind), len(forged)-2).Draw(t, "position") // not the last character, which may have unused bits
		forged[i] = 'A' + (forged[i]-'A'+1)%26
		if _, ok := codec.Read(kind, string(forged)); ok && string(forged) != issued {
			t.Fatalf("%q was forged from %q", forged, issued)
		}
	})
}

func FuzzRead_NeverPanics(f *testing.F) {
	codec := NewCodec(1)
	f.Add(codec.Issue(SpotifyCode, Claims{Redirect: "http://127.0.0.1/"}))
	f.Add("BQ")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range kinds {
			if c, ok := codec.Read(kind, text); ok && c.Redirect != "http://127.0.0.1/" {
				t.Errorf("%q is accepted as %+v", text, c)
			}
		}
	})
}

func TestUsedTokens_AllowsEachTokenOnce(t *testing.T) {
	var used UsedTokens
	now := time.UnixMilli(0)
	if !used.MarkUsed("a", now, now.Add(time.Minute)) || used.MarkUsed("a", now, now.Add(time.Minute)) {
		t.Fatal("the token cannot be used exactly once")
	}
	for i := range 5000 {
		used.MarkUsed(string(rune(i+1000)), now.Add(time.Hour), now.Add(2*time.Hour))
	}
	if _, kept := used.expiresAt["a"]; kept {
		t.Error("expired tokens are not deleted")
	}
}

func TestChallenge_MatchesTheRFC(t *testing.T) {
	// RFC 7636, appendix B.
	if got := Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge is %q", got)
	}
}
