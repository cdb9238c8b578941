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
	for range 1 << 16 { // so often that the number of the consent overflows
		l.Revoke(1)
	}
	if l.Registered(1, 0) {
		t.Error("a revocation registered the person")
	}
	l.Register(1, 0, true)
	if !l.Registered(1, 0) || l.Generation(0) != 0 || !l.Registered(2, 0) {
		t.Error("a revocation changed other people")
	}
}

func TestStore_DevelopmentAppsServeOnlyRegisteredPeople(t *testing.T) {
	l := New(2, []bool{false, true})
	if l.Registered(1, 1) {
		t.Error("a person is registered with an app in development mode by default")
	}
	l.Register(1, 1, true)
	if !l.Registered(1, 1) || !l.Registered(1, 0) || l.Registered(0, 1) {
		t.Error("registration is wrong for this person or another one")
	}
	l.Register(1, 1, false)
	if l.Registered(1, 1) {
		t.Error("a removed person is still registered")
	}
}
