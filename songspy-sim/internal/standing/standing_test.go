package standing

import "testing"

func TestLedger_KeepsConsentAndRegistrationApart(t *testing.T) {
	l := New(3)
	before := l.Generation(1)
	l.Register(1, false)
	l.Revoke(1)
	if l.Generation(1) == before || l.Registered(1) {
		t.Errorf("generation %d, registered %v", l.Generation(1), l.Registered(1))
	}
	for range 1 << 16 { // all generations there are
		l.Revoke(1)
	}
	if l.Registered(1) {
		t.Error("a revocation registered somebody")
	}
	l.Register(1, true)
	if !l.Registered(1) || l.Generation(0) != 0 || !l.Registered(2) {
		t.Error("others were touched")
	}
}
