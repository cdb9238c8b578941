package config_test

import (
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

func TestApps_ReadsSeats(t *testing.T) {
	s := config.Spotify{ClientID: "first", ClientSecret: "s1", Seats: 5, MoreApps: "second:s2:5:first,third:s3\n fourth::25:,fifth:s5::third"}
	apps, err := s.Apps()
	if err != nil {
		t.Fatal(err)
	}
	want := []config.App{{"first", "s1", 5, "first"}, {"second", "s2", 5, "first"}, {"third", "s3", 0, "third"}, {"fourth", "", 25, "fourth"}, {"fifth", "s5", 0, "third"}}
	if len(apps) != len(want) {
		t.Fatalf("apps are %+v, want %d", apps, len(want))
	}
	for i := range want {
		if apps[i] != want[i] {
			t.Errorf("app %d is %+v, want %+v", i, apps[i], want[i])
		}
	}
}

func TestApps_FaultsNameTheEntryAndNoSecret(t *testing.T) {
	for list, want := range map[string]string{
		"a":                     "entry 1: must be id:secret, id:secret:seats or id:secret:seats:account",
		"a:hunter2:1:x:y":       "entry 1: must be id:secret, id:secret:seats or id:secret:seats:account",
		"a:hunter2:1:x/y":       "entry 1: names an invalid account",
		"a:hunter2,b:hunter2:x": "entry 2: must have a number of seats",
		"a:25:hunter2":          "entry 1: must have a number of seats", // seats and secret swapped
		"a:hunter2:-1":          "entry 1: must have a number of seats",
		"a:hunter2,a:hunter2":   "entry 2: repeats app a",
		"first:hunter2":         "entry 1: repeats app first",
		"a/b:hunter2":           "entry 1: does not begin with a client ID",
	} {
		s := config.Spotify{ClientID: "first", MoreApps: songspy.Secret(list)}
		_, err := s.Apps()
		if err == nil || !strings.Contains(err.Error(), "SONGSPY_SPOTIFY_APPS: "+want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %q without the secret", list, err, want)
		}
	}
}
