package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// small is a run that is done in a second.
func small(t *testing.T) options {
	t.Helper()
	habits, err := sim.HabitsOf("regular")
	if err != nil {
		t.Fatal(err)
	}
	return options{people: 6, days: 1, seed: 7, population: "regular", bounds: true, habits: habits}
}

func TestTheSeedDecidesEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	t.Parallel()
	o := small(t)
	once := (&record{options: o, policy: named(t, service)}).run(t)
	again := (&record{options: o, policy: named(t, service)}).run(t)
	once.Seconds, again.Seconds = 0, 0
	if once.Looks == 0 || once.Refused > 0 || once.Plays.Is == 0 {
		t.Fatalf("nothing was measured: %+v", once)
	}
	if !reflect.DeepEqual(once, again) {
		t.Errorf("first\n%+v\nthen\n%+v", once, again)
	}
}

func TestTheOracleSeesSoonerAndTheServiceSoonerThanThePlainSweep(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	t.Parallel()
	o := small(t)
	var delays []float64
	for _, name := range []string{"plain 3-minute sweep", service, oracle} {
		f := (&record{options: o, policy: named(t, name)}).run(t)
		if len(delays) > 0 && f.Delay[0] >= delays[len(delays)-1] {
			t.Errorf("%s takes %v s to the board, the policy before it %v", name, f.Delay[0], delays[len(delays)-1])
		}
		delays = append(delays, f.Delay[0])
	}
}

func named(t *testing.T, name string) policy {
	t.Helper()
	for _, p := range policies() {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("no policy is called %q", name)
	return policy{}
}

func TestABudgetIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	t.Parallel()
	o := small(t)
	f := (&record{options: o, policy: named(t, sparing)}).run(t)
	if f.PerDay > 300 || f.PerDay < 200 || f.Refused > 0 {
		t.Errorf("%.1f calls a listener and day of 300, %d refused", f.PerDay, f.Refused)
	}
	if free := (&record{options: o, policy: named(t, service)}).run(t); f.Provable.ratio() < free.Provable.ratio()-0.02 {
		t.Errorf("of provable plays %v are recalled, %v without a budget", f.Provable, free.Provable)
	}
}

func TestTheReportEndsInOneLineOfJSON(t *testing.T) {
	t.Parallel()
	f := row{Policy: service, personDays: 1, Calls: 600}
	f.sum()
	plain := row{Policy: policies()[0].name, personDays: 1, Calls: 480}
	plain.sum()
	var out bytes.Buffer
	r := newReport(small(t), []row{plain, f})
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var back report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 2 || len(back.Missed) == 0 || !strings.Contains(back.Missed[0], "1.250 times") {
		t.Errorf("%+v", back)
	}
}

func TestWithoutBoundsTheReportSaysThatNothingWasJudged(t *testing.T) {
	t.Parallel()
	f := row{Policy: service, personDays: 1, Calls: 600}
	f.sum()
	o := small(t)
	o.bounds = false
	r := newReport(o, []row{f})
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	if len(r.Missed) != 0 || !strings.Contains(out.String(), "not judged") || !strings.Contains(out.String(), `"missedBounds":null`) {
		t.Errorf("missed %v:\n%s", r.Missed, out.String())
	}
}

func TestOptionsThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{
		"-people 0":          "-people is 0",
		"-accounts 0":        "-accounts is 0",
		"-days 0":            "-days is 0",
		"-population sleepy": `"sleepy"`,
		"more":               `"more"`,
		"-only nothing":      `"nothing"`,
	} {
		f := flag.NewFlagSet("capture", flag.ContinueOnError)
		f.SetOutput(io.Discard)
		if _, err := readOptions(f, strings.Fields(flags)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %s", flags, err, want)
		}
	}
}

func TestAnUnknownQuotaIsLearned(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	o := small(t)
	o.accounts = 1
	for _, name := range []string{quotaRegular, quotaLively} {
		var f row
		t.Run(name, func(t *testing.T) { f = measureAccounts(t, o, named(t, name)) })
		if f.Accounts != 1 || f.Calls > publicQuota || f.Calls < publicQuota/2 || f.MostThrottled > 0 {
			t.Errorf("%s: %d calls on the third day, %.0f refused", name, f.Calls, f.MostThrottled)
		}
		if f.Plays.Of == 0 || f.Plays.ratio() < 0.9 || f.Dark > 30*60 {
			t.Errorf("%s: %v of all plays are recalled, dark for %.0f s", name, f.Plays, f.Dark)
		}
	}
}

func TestBoundsOfAQuotaAreJudged(t *testing.T) {
	f := row{Policy: quotaRegular, personDays: 1, Accounts: 20, MostThrottled: 2, Dark: 1000}
	f.sum()
	missed := strings.Join(newReport(small(t), []row{f}).Missed, "; ")
	for _, want := range []string{"2.0 calls of an account are refused in a week", "no call of an account succeeds for 1000 s"} {
		if !strings.Contains(missed, want) {
			t.Errorf("missed is %q, want it to hold %q", missed, want)
		}
	}
}

func TestTooFewProbablePlaysAreNotJudged(t *testing.T) {
	for claims, want := range map[int]bool{enoughClaims - 1: false, enoughClaims: true} {
		f := row{Policy: whole, personDays: 1, Probable: share{Of: claims, Is: claims / 2}}
		f.sum()
		missed := strings.Join(newReport(small(t), []row{f}).Missed, "; ")
		if got := strings.Contains(missed, "of the probable plays were played"); got != want {
			t.Errorf("of %d half are right: missed %q", claims, missed)
		}
	}
}
