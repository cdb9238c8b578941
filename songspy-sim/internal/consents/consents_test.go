package consents

import "testing"

func TestStore_KeepsConsentAndRegistrationApart(t *testing.T) {
	l := New(3, []bool{false, true})
	before := l.Generation(1)
	l.Register(1, 0, false)
	l.Revoke(1)
	if l.Generation(1) == before || l.Registered(1, 0) {
		t.Errorf("generation %d, registered %v", l.Generation(1), l.Registered(1, 0))
	}
	for range 1 << 16 { // all generations there are
		l.Revoke(1)
	}
	if l.Registered(1, 0) {
		t.Error("a revocation registered somebody")
	}
	l.Register(1, 0, true)
	if !l.Registered(1, 0) || l.Generation(0) != 0 || !l.Registered(2, 0) {
		t.Error("others were touched")
	}
}

func TestStore_DevelopmentAppsServeOnlyRegisteredPeople(t *testing.T) {
	l := New(2, []bool{false, true})
	if l.Registered(1, 1) {
		t.Error("nobody has entered them")
	}
	l.Register(1, 1, true)
	if !l.Registered(1, 1) || !l.Registered(1, 0) || l.Registered(0, 1) {
		t.Error("one is entered, and others are not touched")
	}
	l.Register(1, 1, false)
	if l.Registered(1, 1) {
		t.Error("they were taken off the list")
	}
}
