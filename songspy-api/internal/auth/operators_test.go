package auth

import (
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func parseOperators(t *testing.T, text songspy.Secret) Operators {
	t.Helper()
	o, err := ParseOperators(text, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOperators_AreAddressesWithoutRegardToCaseOfASCII(t *testing.T) {
	o := parseOperators(t, "Ann@Example.org,\nbob@xn--3e0b707e.example")
	for address, want := range map[songspy.Secret]bool{
		"ann@example.org": true, "ANN@EXAMPLE.ORG": true, "bob@한국.example": true,
		"": false, "ann": false, "@example.org": false, "ann@example.org.": false, "ann@example.com": false, "ann+x@example.org": false,
		"\u212Aann@example.org": false, "ann@example.org, bob@x.example": false,
	} {
		if got := o.hashOf(address) != nil; got != want {
			t.Errorf("%q is an operator: %t, want %t", address.Reveal(), got, want)
		}
	}
	for _, none := range []Operators{{}, parseOperators(t, "")} {
		if none.hashOf("ann@example.org") != nil || none.has(nil) || none.has([]byte{}) || none.has(o.hashOf("ann@example.org")) {
			t.Errorf("%+v has an operator", none)
		}
	}
	if o.has(nil) || o.has([]byte{}) {
		t.Error("a session without a hash is an operator's")
	}
}

func TestParseOperators_ErrorsQuoteNoAddress(t *testing.T) {
	for _, text := range []songspy.Secret{" , ", "ann", "ann@example.org, @example.org", "ann@example.org bob@", "*@example.org"} {
		if _, err := ParseOperators(text, nil); err == nil || strings.Contains(err.Error(), "example") || strings.Contains(err.Error(), "ann") {
			t.Errorf("%q: error %v", text.Reveal(), err)
		}
	}
}

func TestOperators_LoseTheirRightsWhenTheyLeaveTheListOrTheKeyChanges(t *testing.T) {
	w := newTestService(t)
	isOperator := func(tokens Tokens) bool {
		t.Helper()
		caller, err := w.Authenticate(t.Context(), tokens.Access)
		if err != nil {
			t.Fatal(err)
		}
		return caller.IsOperator()
	}
	before := w.signIn(t)
	w.opts.Operators = parseOperators(t, annsMail)
	if isOperator(before) {
		t.Error("a session from before the user was on the list is an operator's")
	}
	tokens := w.signIn(t)
	if !isOperator(tokens) {
		t.Error("the session is not an operator's")
	}
	next, err := w.Refresh(t.Context(), tokens.Refresh)
	if err != nil || !isOperator(next) {
		t.Errorf("after a refresh the session is not an operator's, error %v", err)
	}
	for name, o := range map[string]Operators{
		"no operators": {}, "another operator": parseOperators(t, "another@example.org"),
		"another key": func() Operators { o, _ := ParseOperators(annsMail, []byte("another")); return o }(),
	} {
		if w.opts.Operators = o; isOperator(next) {
			t.Errorf("with %s, the session is still an operator's", name)
		}
	}
}
