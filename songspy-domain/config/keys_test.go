package config_test

import (
	"encoding/base64"
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
		t.Errorf("%d keys with the IDs %s, %s; want the new one first", len(keys), keys[0].ID, keys[1].ID)
	}
}

func TestParseKeys_NamesTheFaultAndNeverTheKey(t *testing.T) {
	const short = "c2hvcnQ="
	for name, c := range map[string]struct{ list, want string }{
		"empty":       {"", "entry 1 must be id:key"},
		"no ID":       {short, "entry 1 must be id:key"},
		"invalid ID":  {sealKey + ",a b:" + short, "entry 2 must be id:key"},
		"short key":   {"k2:" + short, `"k2" must be the base64 of 32 bytes`},
		"not base64":  {"k2:***" + short, `"k2" must be the base64 of 32 bytes`},
		"repeated ID": {sealKey + "," + sealKey, `"k1" is used twice`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.ParseKeys("SONGSPY_SEAL_KEYS", songspy.Secret(c.list))
			if err == nil || !strings.HasPrefix(err.Error(), "SONGSPY_SEAL_KEYS: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one with %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), short) || strings.Contains(err.Error(), sealKey)) {
				t.Errorf("the error contains the key: %v", err)
			}
		})
	}
}

func TestParseKeys_NamesEveryFault(t *testing.T) {
	_, err := config.ParseKeys("KEYS", songspy.Secret(sealKey+",nonsense,k2:c2hvcnQ=,"+sealKey))
	const want = "KEYS: entry 2 must be id:key, with an ID of up to 32 letters, digits, - or _\n" +
		"KEYS: the key \"k2\" must be the base64 of 32 bytes, as `openssl rand -base64 32` prints\n" +
		"KEYS: the ID \"k1\" is used twice; every key needs its own"
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}

func TestCheckKeys_NamesEveryWeakKeyInProduction(t *testing.T) {
	zeros := base64.StdEncoding.EncodeToString(make([]byte, config.KeyBytes))
	production := config.Service{Env: config.Production, SealKeys: songspy.Secret("s:" + zeros)}
	list := songspy.Secret("a:" + zeros + ",b:" + zeros)
	for what, err := range map[string]error{"is not random": production.CheckKeys("KEYS", list), "is also in": production.CheckNotSealKey("KEYS", list)} {
		if err == nil || !strings.Contains(err.Error(), `"a" `+what) || !strings.Contains(err.Error(), `"b" `+what) {
			t.Errorf("the error is %v; want that each of the keys a and b %s", err, what)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add(sealKey)
	f.Add("a:b,c")
	f.Fuzz(func(t *testing.T, list string) {
		keys, err := config.ParseKeys("KEYS", songspy.Secret(list))
		if err == nil && len(keys) == 0 {
			t.Error("neither keys nor an error")
		}
		for _, k := range keys {
			if len(k.Key) != config.KeyBytes || k.ID == "" {
				t.Errorf("accepted a key of %d bytes with the ID %q", len(k.Key), k.ID)
			}
		}
	})
}

func TestDevelopmentKeys_ConcurrentCallersGetTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	const callers = 8
	var (
		got  [callers]config.Keys
		errs [callers]error
		wg   sync.WaitGroup
	)
	for i := range callers {
		wg.Go(func() { got[i], errs[i] = config.DevelopmentKeys(dir) })
	}
	wg.Wait()
	for i := range callers {
		if errs[i] != nil || got[i] != got[0] {
			t.Fatalf("caller %d got other keys than caller 0, or the error %v", i, errs[i])
		}
	}
	for _, list := range []songspy.Secret{got[0].Seal, got[0].JWT} {
		if _, err := config.ParseKeys("KEYS", list); err != nil {
			t.Error(err)
		}
	}
	if got[0].Seal == got[0].JWT {
		t.Error("one key has two purposes")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the directory contains %d files (%v), want the key file only", len(entries), err)
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
		t.Errorf("error = %v, want it to say what to do", err)
	}
}
