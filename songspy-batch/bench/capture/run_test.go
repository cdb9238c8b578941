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
func smallOptions(t *testing.T) options {
	t.Helper()
	habits, err := sim.HabitsByName("regular")
	if err != nil {
		t.Fatal(err)
	}
	return options{people: 6, days: 1, seed: 7, population: "regular", bounds: true, habits: habits}
}

func TestTheSeedDecidesAllResults(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	t.Parallel()
	o := smallOptions(t)
	once := (&policyRun{options: o, policy: policyNamed(t, servicePolicy)}).run(t)
	again := (&policyRun{options: o, policy: policyNamed(t, servicePolicy)}).run(t)
	once.Seconds, again.Seconds = 0, 0
	if once.Polls == 0 || once.Refused > 0 || once.Plays.Count == 0 {
		t.Fatalf("nothing was measured: %+v", once)
	}
	if !reflect.DeepEqual(once, again) {
		t.Errorf("first\n%+v\nthen\n%+v", once, again)
	}
}

func TestTheOracleIsFasterThanTheServiceAndThatThanFixedPolling(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	t.Parallel()
	o := smallOptions(t)
	var delays []float64
	for _, name := range []string{"plain 3-minute sweep", servicePolicy, oraclePolicy} {
		res := (&policyRun{options: o, policy: policyNamed(t, name)}).run(t)
		if len(delays) > 0 && res.Delay[0] >= delays[len(delays)-1] {
			t.Errorf("%s takes %v s to the board, the policy before it %v", name, res.Delay[0], delays[len(delays)-1])
		}
		delays = append(delays, res.Delay[0])
	}
}

func policyNamed(t *testing.T, name string) policy {
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
	o := smallOptions(t)
	res := (&policyRun{options: o, policy: policyNamed(t, limitedPolicy)}).run(t)
	if res.CallsPerUserDay > 300 || res.CallsPerUserDay < 200 || res.Refused > 0 {
		t.Errorf("%.1f calls a listener and day of 300, %d refused", res.CallsPerUserDay, res.Refused)
	}
	if free := (&policyRun{options: o, policy: policyNamed(t, servicePolicy)}).run(t); res.Provable.ratio() < free.Provable.ratio()-0.02 {
		t.Errorf("of provable plays %v are recalled, %v without a budget", res.Provable, free.Provable)
	}
}

func TestTheReportEndsInOneLineOfJSON(t *testing.T) {
	t.Parallel()
	res := result{Policy: servicePolicy, personDays: 1, Calls: 600}
	res.finish()
	plain := result{Policy: policies()[0].name, personDays: 1, Calls: 480}
	plain.finish()
	var out bytes.Buffer
	r := newReport(smallOptions(t), []result{plain, res})
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

func TestWithoutBoundsTheReportSaysNotJudged(t *testing.T) {
	t.Parallel()
	res := result{Policy: servicePolicy, personDays: 1, Calls: 600}
	res.finish()
	o := smallOptions(t)
	o.bounds = false
	r := newReport(o, []result{res})
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	if len(r.Missed) != 0 || !strings.Contains(out.String(), "not judged") || !strings.Contains(out.String(), `"missedBounds":null`) {
		t.Errorf("missed %v:\n%s", r.Missed, out.String())
	}
}

func TestInvalidOptionsAreNamed(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{
		"-people 0":          "-people is 0",
		"-accounts 0":        "-accounts is 0",
		"-days 0":            "-days is 0",
		"-population sleepy": `"sleepy"`,
		"more":               `"more"`,
		"-only nothing":      `"nothing"`,
	} {
		res := flag.NewFlagSet("capture", flag.ContinueOnError)
		res.SetOutput(io.Discard)
		if _, err := readOptions(res, strings.Fields(flags)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %s", flags, err, want)
		}
	}
}

func TestAnUnknownQuotaIsLearned(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	o := smallOptions(t)
	o.accounts = 1
	for _, name := range []string{regularQuotaPolicy, livelyQuotaPolicy} {
		var res result
		t.Run(name, func(t *testing.T) { res = measureAccounts(t, o, policyNamed(t, name)) })
		if res.Accounts != 1 || res.Calls > reportedQuota || res.Calls < reportedQuota/2 || res.MaxRateLimited > 0 {
			t.Errorf("%s: %d calls on the third day, %.0f refused", name, res.Calls, res.MaxRateLimited)
		}
		if res.Plays.Total == 0 || res.Plays.ratio() < 0.9 || res.LongestOutage > 30*60 {
			t.Errorf("%s: %v of all plays are recalled, dark for %.0f s", name, res.Plays, res.LongestOutage)
		}
	}
}

func TestBoundsOfAQuotaAreJudged(t *testing.T) {
	res := result{Policy: regularQuotaPolicy, personDays: 1, Accounts: 20, MaxRateLimited: 2, LongestOutage: 1000}
	res.finish()
	missed := strings.Join(newReport(smallOptions(t), []result{res}).Missed, "; ")
	for _, want := range []string{"2.0 calls of an account are refused in a week", "no call of an account succeeds for 1000 s"} {
		if !strings.Contains(missed, want) {
			t.Errorf("missed is %q, want it to hold %q", missed, want)
		}
	}
}

func TestTooFewProbablePlaysAreNotJudged(t *testing.T) {
	for claims, want := range map[int]bool{enoughClaims - 1: false, enoughClaims: true} {
		res := result{Policy: wholePlaysPolicy, personDays: 1, Probable: fraction{Total: claims, Count: claims / 2}}
		res.finish()
		missed := strings.Join(newReport(smallOptions(t), []result{res}).Missed, "; ")
		if got := strings.Contains(missed, "of the probable plays were played"); got != want {
			t.Errorf("of %d half are right: missed %q", claims, missed)
		}
	}
}
