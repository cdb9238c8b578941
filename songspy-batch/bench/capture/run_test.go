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

// smallOptions are the options of a run of about a second.
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
		t.Fatalf("the run measured no poll or no play, or calls were rejected: %+v", once)
	}
	if !reflect.DeepEqual(once, again) {
		t.Errorf("two runs differ:\n%+v\n%+v", once, again)
	}
}

func TestTheOracleIsFasterThanTheServiceAndTheServiceThanFixedPolling(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	t.Parallel()
	o := smallOptions(t)
	var delays []float64
	for _, name := range []string{plainPolicy, servicePolicy, oraclePolicy} {
		res := (&policyRun{options: o, policy: policyNamed(t, name)}).run(t)
		if len(delays) > 0 && res.Delay[0] >= delays[len(delays)-1] {
			t.Errorf("with %s plays come to the board after %v s, with the policy before it after %v s", name, res.Delay[0], delays[len(delays)-1])
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
	t.Fatalf("there is no policy %q", name)
	return policy{}
}

func TestTheLimitOfDailyCallsIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
	t.Parallel()
	o := smallOptions(t)
	res := (&policyRun{options: o, policy: policyNamed(t, limitedPolicy)}).run(t)
	if res.CallsPerUserDay > 300 || res.CallsPerUserDay < 200 || res.Refused > 0 {
		t.Errorf("%.1f calls for a user and day, want 200 to 300; %d were rejected", res.CallsPerUserDay, res.Refused)
	}
	if unlimited := (&policyRun{options: o, policy: policyNamed(t, servicePolicy)}).run(t); res.Provable.ratio() < unlimited.Provable.ratio()-0.02 {
		t.Errorf("recall of provable plays is %v with the limit and %v without; it may be 2 points lower", res.Provable, unlimited.Provable)
	}
}

func TestTheReportEndsInOneLineOfJSON(t *testing.T) {
	t.Parallel()
	res := result{Policy: servicePolicy, personDays: 1, Calls: 600}
	res.finish()
	plain := result{Policy: plainPolicy, personDays: 1, Calls: 480}
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
		t.Errorf("the decoded report is %+v, want 2 rows and a missed bound on the calls", back)
	}
}

func TestWithoutBoundsTheReportSaysNotChecked(t *testing.T) {
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
	if len(r.Missed) != 0 || !strings.Contains(out.String(), "not checked") || !strings.Contains(out.String(), `"missedBounds":null`) {
		t.Errorf("bounds %v are missed, want none and a report that says so:\n%s", r.Missed, out.String())
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
		set := flag.NewFlagSet("capture", flag.ContinueOnError)
		set.SetOutput(io.Discard)
		if _, err := readOptions(set, strings.Fields(flags)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not contain %s", flags, err, want)
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
			t.Errorf("%s: %d calls on the third day, %.0f of them rejected", name, res.Calls, res.MaxRateLimited)
		}
		if res.Plays.Total == 0 || res.Plays.ratio() < 0.9 || res.LongestOutage > 30*60 {
			t.Errorf("%s: recall of all plays is %v; no call succeeded for %.0f s", name, res.Plays, res.LongestOutage)
		}
	}
}

func TestCombinedAccountsKeepEveryShareOfPlays(t *testing.T) {
	t.Parallel()
	var one result
	fractions := func(r *result) (all []*fraction) {
		v := reflect.ValueOf(r).Elem()
		for i := range v.NumField() {
			if v.Type().Field(i).Type == reflect.TypeFor[fraction]() {
				all = append(all, v.Field(i).Addr().Interface().(*fraction))
			}
		}
		return all
	}
	for i, f := range fractions(&one) {
		*f = fraction{Total: 10 + i, Count: i}
	}
	both := combine([]result{one, one})
	for i, f := range fractions(&both) {
		if want := (fraction{Total: 20 + 2*i, Count: 2 * i}); *f != want {
			t.Errorf("recall %d of two accounts is %+v, want %+v", i, *f, want)
		}
	}
}

func TestBoundsOfAQuotaAreChecked(t *testing.T) {
	res := result{Policy: regularQuotaPolicy, personDays: 1, Accounts: 20, MaxRateLimited: 2, LongestOutage: 1000}
	res.finish()
	missed := strings.Join(newReport(smallOptions(t), []result{res}).Missed, "; ")
	for _, want := range []string{"2.0 calls of an account are rejected in a week", "no call of an account succeeds for 1000 s"} {
		if !strings.Contains(missed, want) {
			t.Errorf("missed bounds %q do not contain %q", missed, want)
		}
	}
}

func TestThePrecisionOfTooFewProbablePlaysIsNotChecked(t *testing.T) {
	for claims, want := range map[int]bool{enoughClaims - 1: false, enoughClaims: true} {
		res := result{Policy: wholePlaysPolicy, personDays: 1, Probable: fraction{Total: claims, Count: claims / 2}}
		res.finish()
		missed := strings.Join(newReport(smallOptions(t), []result{res}).Missed, "; ")
		if got := strings.Contains(missed, "of the probable plays were played"); got != want {
			t.Errorf("of %d probable plays half are right: missed bounds are %q", claims, missed)
		}
	}
}
