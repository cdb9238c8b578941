package store

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func sealKey(id string, fill byte) SealKey {
	return SealKey{ID: id, Key: bytes.Repeat([]byte{fill}, sealKeyBytes)}
}

func testSealer(t testing.TB, keys ...SealKey) *sealer {
	t.Helper()
	s, err := newSealer(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal_OpensOnlyInItsOwnRowAndColumn(t *testing.T) {
	s := testSealer(t, sealKey("a", 1))
	rapid.Check(t, func(t *rapid.T) {
		secret := songspy.Secret(rapid.String().Draw(t, "secret"))
		column := rapid.SampledFrom([]string{"access_token_sealed", "refresh_token_sealed"})
		user := rapid.Int64Range(1, 20)
		home := linkAAD(column.Draw(t, "column"), songspy.UserID(user.Draw(t, "user")))
		other := linkAAD(column.Draw(t, "other column"), songspy.UserID(user.Draw(t, "other user")))
		sealed, err := s.seal(secret, home)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.open(sealed, other)
		if bytes.Equal(home, other) != (err == nil && got == secret) {
			t.Fatalf("sealed for %s, opened at %s: %v", home, other, err)
		}
	})
}

func TestSeal_EqualSecretsHaveDifferentCiphertexts(t *testing.T) {
	s := testSealer(t, sealKey("a", 1))
	one, err := s.seal("secret", linkAAD("c", 1))
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.seal("secret", linkAAD("c", 1))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one, two) {
		t.Fatal("equal secrets have equal sealed texts")
	}
}

func TestNewSealer_NamesTheInvalidKeyWithoutShowingIt(t *testing.T) {
	short := SealKey{ID: "short", Key: []byte("hunter2")}
	for name, c := range map[string]struct {
		keys        []SealKey
		wantMessage string
	}{
		"no key":       {nil, "No seal key"},
		"a short key":  {[]SealKey{short}, `"short" has 7 bytes; it needs 32`},
		"no id":        {[]SealKey{sealKey("", 1)}, "1 to 32 bytes"},
		"a long id":    {[]SealKey{sealKey(strings.Repeat("x", 33), 1)}, "1 to 32 bytes"},
		"an id, twice": {[]SealKey{sealKey("a", 1), sealKey("a", 2)}, `"a" is given twice`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newSealer(c.keys)
			if songspy.CodeOf(err) != songspy.CodeInvalid || !strings.Contains(err.Error(), c.wantMessage) {
				t.Fatalf("the error is %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the error shows the key: %v", err)
			}
		})
	}
}

func FuzzOpen_RejectsForgedCiphertexts(f *testing.F) {
	s := testSealer(f, sealKey("a", 1), sealKey("b", 2))
	home := linkAAD("access_token_sealed", 1)
	sealed, err := s.seal("secret", home)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-1])
	f.Add([]byte{sealVersion, 255, 'a'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		// text may be a seed of the corpus that another process of the fuzzer has sealed, with
		// another nonce. So a text that can be decrypted need not be equal to sealed, but its
		// secret must be "secret", which all these processes seal.
		if got, err := s.open(text, home); err == nil && got != "secret" {
			t.Fatalf("%x opened to %q", text, got.Reveal())
		}
	})
}
