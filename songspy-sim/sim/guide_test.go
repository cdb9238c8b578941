package sim

import (
	"io"
	"net/http"
	"regexp"
	"testing"
)

func TestGuide_NamesOnlyExistingPages(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: s.Transport()}
	get := func(path string) (int, string) {
		resp, err := client.Get("http://127.0.0.1:8090" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	status, text := get("/")
	if status != http.StatusOK {
		t.Fatalf("the root page answers %d", status)
	}
	paths := regexp.MustCompile(`(?m)^  (/admin\S+)`).FindAllStringSubmatch(text, -1)
	if len(paths) < 4 {
		t.Fatalf("the guide lists %d paths", len(paths))
	}
	for _, p := range paths {
		if status, _ := get(p[1]); status != http.StatusOK {
			t.Errorf("%s answers %d", p[1], status)
		}
	}
	if status, _ := get("/nowhere"); status != http.StatusNotFound {
		t.Errorf("an unknown path answers %d", status)
	}
}
