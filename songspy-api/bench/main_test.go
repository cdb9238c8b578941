package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

func TestMeasure_EndsWithOneLineOfJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := options{users: 50, changes: 50, viewers: 2, rounds: 1, roundLength: 20 * time.Millisecond}
	if err := measure(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var figures struct {
		Bench    string
		Users    int
		Bare     float64 `json:"bare_per_s"`
		Still    float64 `json:"board_per_s"`
		Changing float64 `json:"changing_board_per_s"`
	}
	if err := json.Unmarshal(lines[len(lines)-1], &figures); err != nil {
		t.Fatal(err)
	}
	if figures.Bench != "board" || figures.Users != o.users || figures.Bare <= 0 || figures.Still <= 0 || figures.Changing <= 0 {
		t.Errorf("the last line is %s", lines[len(lines)-1])
	}
}
