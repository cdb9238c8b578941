package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
)

func TestParseKeys_KeepsTheOrder(t *testing.T) {
	fresh := config.GenerateKeys("new")
	keys, err := config.ParseKeys("KEYS", fresh.Seal+" , "+sealKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || !strings.HasPrefix(keys[0].ID, "new-") || keys[1].ID != "k1" || keys[1].Key[31] != 31 {
		t.Errorf("keys = %d of ids %s, %s; want the fresh one first", len(keys), keys[0].ID, keys[1].ID)
	}
}

func TestParseKeys_NamesTheFaultAndNeverTheKey(t *testing.T) {
	const short = "c2hvcnQ="
	for name, c := range map[string]struct{ list, want string }{
		"nothing":        {"", "entry 1 must be id:key"},
		"no id":          {short, "entry 1 must be id:key"},
		"an odd id":      {sealKey + ",a b:" + short, "entry 2 must be id:key"},
		"a short key":    {"k2:" + short, `"k2" must be the base64 of 32 bytes`},
		"no base64":      {"k2:***" + short, `"k2" must be the base64 of 32 bytes`},
		"an id repeated": {sealKey + "," + sealKey, `"k1" is used twice`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.ParseKeys("SONGSPY_SEAL_KEYS", songspy.Secret(c.list))
			if err == nil || !strings.HasPrefix(err.Error(), "SONGSPY_SEAL_KEYS: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one with %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), short) || strings.Contains(err.Error(), sealKey)) {
				t.Errorf("the key is shown: %v", err)
			}
		})
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add(sealKey)
	f.Add("a:b,c")
	f.Fuzz(func(t *testing.T, list string) {
		keys, err := config.ParseKeys("KEYS", songspy.Secret(list))
		if err == nil && len(keys) == 0 {
			t.Error("no key and no error")
		}
		for _, k := range keys {
			if len(k.Key) != config.KeyBytes || k.ID == "" {
				t.Errorf("a key of %d bytes named %q was let through", len(k.Key), k.ID)
			}
		}
	})
}

func TestDevelopmentKeys_ConcurrentCallersGetTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	const askers = 8
	var (
		got  [askers]config.Keys
		errs [askers]error
		wg   sync.WaitGroup
	)
	for i := range askers {
		wg.Go(func() { got[i], errs[i] = config.DevelopmentKeys(dir) })
	}
	wg.Wait()
	for i := range askers {
		if errs[i] != nil || got[i] != got[0] {
			t.Fatalf("asker %d got other keys than asker 0, or the error %v", i, errs[i])
		}
	}
	for _, list := range []songspy.Secret{got[0].Seal, got[0].JWT} {
		if _, err := config.ParseKeys("KEYS", list); err != nil {
			t.Error(err)
		}
	}
	if got[0].Seal == got[0].JWT {
		t.Error("one key serves two purposes")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d files are left in the directory (%v), want the keys alone", len(entries), err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v), want 0600", info.Mode(), err)
	}
}

func TestDevelopmentKeys_RefusesAFileWithoutKeys(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys.env"), []byte("SONGSPY_SEAL_KEYS=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.DevelopmentKeys(dir); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("error = %v, want the remedy", err)
	}
}
