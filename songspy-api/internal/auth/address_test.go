package auth

import "testing"

func TestSignIn_StoresAnAddressOnlyIfMailIsConfigured(t *testing.T) {
	w := newTestService(t)
	w.signIn(t)
	if w.store.addresses != nil {
		t.Error("an address is kept where nobody is told by mail")
	}
	w.opts.Addresses = w.store
	w.signIn(t)
	if got := w.store.addresses[1]; got != "ann@example.org" {
		t.Errorf("the address kept is %q", got.Reveal())
	}
}
