package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/npmtest"
)

// The TypeScript client and the page's scripts must compile with the types that are generated
// from the contract of this program. The client's own tests must pass against this service.
func TestClient_IsTypedByTheContractAndCallsTheService(t *testing.T) {
	dir := npmtest.Install(t, "client", "the TypeScript client, and the types of the page's scripts")
	w := newTestAPI(t, storetest.SQLite)
	google := w.sim.GoogleToken(0, sim.GoogleClientID)
	w.secrets = append(w.secrets, google, w.sim.Person(0).Email)
	if err := os.WriteFile(filepath.Join(dir, "openapi.yaml"), contract, 0o600); err != nil {
		t.Fatal(err)
	}
	page, err := filepath.Abs(filepath.Join("internal", "web", "jsconfig.json"))
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{ "extends": %q, "compilerOptions": { "paths": { "contract": [%q] } } }`, page, filepath.Join(dir, "contract.ts"))
	if err := os.WriteFile(filepath.Join(dir, "page.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"node_modules/.bin/openapi-typescript", "openapi.yaml", "--output", "contract.ts"},
		{"node_modules/.bin/tsc"},
		{"node_modules/.bin/tsc", "--project", "page.json"},
		{"node", "--test", "dist/"},
	} {
		c := exec.CommandContext(t.Context(), args[0], args[1:]...)
		c.Dir, c.Env = dir, append(os.Environ(), "SONGSPY_URL=http://"+w.publicListener.Addr().String(), "GOOGLE_TOKEN="+google)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}
