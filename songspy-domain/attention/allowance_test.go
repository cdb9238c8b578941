package attention

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// spendAll tries every ten seconds to pay for one call of the viewers: it pays if their
// weight is not 0. It begins at the time from and ends after the duration d. It returns
// the number of calls that were paid.
func spendAll(a *Allowance, from time.Time, d time.Duration, viewers []ViewerKey) (calls float64) {
	for now := from; now.Before(from.Add(d)); now = now.Add(10 * time.Second) {
		if a.Weight(now, viewers) > 0 {
			a.Pay(now, viewers)
			calls++
		}
	}
	return calls
}

func anonymous(n int) (viewers []ViewerKey) {
	for i := range n {
		viewers = append(viewers, ViewerKey{Hash: key(i)})
	}
	return viewers
}

func TestAllowance_ViewersWithoutAccountHaveAQuarter(t *testing.T) {
	for _, n := range []int{1, 10, 500} {
		a := &Allowance{}
		a.SetDaily(noon, 1000)
		if calls := spendAll(a, noon, 24*time.Hour, anonymous(n)); calls > 2*250+1 {
			t.Errorf("%d viewers made %.0f calls in the first day; they may make 250 at once, and 250 in a day", n, calls)
		}
	}
}

func key(n int) (k songspy.ViewerHash) {
	binary.BigEndian.PutUint64(k[:], uint64(n)+1)
	return k
}

func signedIn(n int) (viewers []ViewerKey) {
	for i := range n {
		viewers = append(viewers, ViewerKey{Hash: key(1000 + i), SignedIn: true})
	}
	return viewers
}

func TestAllowance_IsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &Allowance{}
		a.SetDaily(noon, 480)
		viewers := append(anonymous(5), signedIn(5)...)
		now, used := noon, 0.0
		for range rapid.IntRange(1, 300).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second)
			some := viewers[rapid.IntRange(0, 4).Draw(t, "from"):rapid.IntRange(5, 10).Draw(t, "to")]
			if a.Weight(now, some) > 0 {
				a.Pay(now, some)
				used++
			}
			if most := 480 * (1 + now.Sub(noon).Hours()/24); used > most+1e-6 {
				t.Fatalf("%.0f calls were made in %v", used, now.Sub(noon))
			}
		}
	})
}

func TestAllowance_HostileViewersLeaveOthersTheirShare(t *testing.T) {
	a := &Allowance{}
	a.SetDaily(noon, 1000)
	hostile, followers := anonymous(1000), signedIn(10)
	a.Weight(noon, followers) // the Allowance counts them as viewers from now on
	spendAll(a, noon, 24*time.Hour, hostile)
	later := noon.Add(24 * time.Hour)
	if left := a.Left(later); left < 700 {
		t.Errorf("%.0f of 1000 calls are left", left)
	}
	for _, f := range followers {
		if w := a.Weight(later, []ViewerKey{f}); w < 0.99 {
			t.Errorf("a follower counts %.2f, want 1", w)
		}
	}
}

func TestAllowance_ViewersHaveEqualShares(t *testing.T) {
	a := &Allowance{}
	a.SetDaily(noon, 1000)
	both := signedIn(2)
	a.Weight(noon, both)
	greedy := spendAll(a, noon, 24*time.Hour, both[:1])
	if greedy < 900 || greedy > 1010 { // a share (500 calls) at once, and another one during the day
		t.Errorf("one of two viewers made %.0f calls in the first day, want about 1000", greedy)
	}
	if w := a.Weight(noon.Add(24*time.Hour), both[1:]); w < 0.99 {
		t.Errorf("the other viewer counts %.2f, want 1", w)
	}
}

func TestAllowance_TakesBackWhatWasPaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &Allowance{}
		a.SetDaily(noon, 20)
		viewers := append(anonymous(2), signedIn(2)...)
		for range rapid.IntRange(0, 30).Draw(t, "earlier calls") {
			a.Pay(noon, viewers)
		}
		left, weight := a.Left(noon), a.Weight(noon, viewers)
		a.Correct(noon, a.Pay(noon, viewers), -1) // Correct must give the call back even if it was the last call that was left
		if now := a.Left(noon); math.Abs(now-left) > 1e-9 {
			t.Errorf("%v calls are left, want %v", now, left)
		}
		if now := a.Weight(noon, viewers); math.Abs(now-weight) > 1e-9 {
			t.Errorf("the viewers count %v, want %v", now, weight)
		}
	})
}
