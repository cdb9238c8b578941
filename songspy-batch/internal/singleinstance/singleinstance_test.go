package singleinstance

import (
	"path/filepath"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestASecondBatchOnASQLiteFileIsRefusedWhileTheFirstRuns(t *testing.T) {
	url := songspy.Secret("sqlite:" + filepath.Join(t.TempDir(), "songspy.db"))
	release, err := Claim(url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(url); songspy.CodeOf(err) != songspy.CodeConflict || !strings.Contains(err.Error(), "Another songspy-batch") {
		t.Errorf("a second claim returned %v, want a conflict with an explanation", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = Claim(url)
	if err != nil {
		t.Fatalf("claiming the file after its release failed: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestPostgresAllowsSeveralBatches(t *testing.T) {
	for range 2 {
		if _, err := Claim("postgres://songspy@127.0.0.1/songspy"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMissingFolderIsNamedInTheError(t *testing.T) {
	_, err := Claim(songspy.Secret("sqlite:" + filepath.Join(t.TempDir(), "nowhere", "songspy.db")))
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("the error is %v, want it to name the folder", err)
	}
}
