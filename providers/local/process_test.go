package local

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testSet runs programs in a new directory with a clock that the test sets.
func testSet(t *testing.T) (*processSet, *time.Time) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newSpawner()
	set := newProcessSet(dir, s, &state{Processes: map[string]processRecord{}}, slog.New(slog.DiscardHandler), func() time.Time { return now })
	t.Cleanup(func() {
		if err := set.stopAll(context.Background()); err != nil {
			t.Error(err)
		}
		s.stop()
	})
	return set, &now
}

func shell(t *testing.T, name, script string) command {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return command{name: name, path: sh, args: []string{"-c", script}, env: environment(t.TempDir()), grace: time.Second}
}

func (s *processSet) mustEnsure(t *testing.T, c command) string {
	t.Helper()
	incident, err := s.ensure(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return incident
}

func TestProcessThatKeepsEndingIsStartedEverMoreSlowly(t *testing.T) {
	set, now := testSet(t)
	broken := shell(t, "broken", "echo cannot go on; exit 3")
	set.mustEnsure(t, broken)
	starts := func() int {
		log, err := os.ReadFile(filepath.Join(set.dir, "logs", "broken.log"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), "cannot go on")
	}
	var waits []time.Duration
	for range 9 {
		<-set.byName["broken"].done
		before, begun := starts(), *now
		for {
			incident := set.mustEnsure(t, broken)
			if !strings.Contains(incident, "exit status 3") {
				t.Fatalf("incident %q does not say how the process ended", incident)
			}
			if strings.Contains(incident, "was started again") {
				break
			}
			*now = now.Add(100 * time.Millisecond)
		}
		<-set.byName["broken"].done
		if starts() != before+1 {
			t.Fatalf("started %d times, want once", starts()-before)
		}
		waits = append(waits, now.Sub(begun))
	}
	want := []time.Duration{0, 5e8, 1e9, 2e9, 4e9, 8e9, 16e9, 30e9, 30e9}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("waits before each start (-want +got):\n%s", diff)
	}
}

func TestProcessRestartsWhenWhatItReadsChanges(t *testing.T) {
	set, _ := testSet(t)
	server := shell(t, "server", "exec sleep 1000")
	server.grace = 0
	set.mustEnsure(t, server)
	first := set.byName["server"]
	if incident := set.mustEnsure(t, server); incident != "" || set.byName["server"] != first {
		t.Errorf("an unchanged program was disturbed: %q", incident)
	}
	server.inputs = "another kubeconfig"
	if incident := set.mustEnsure(t, server); incident != "" {
		t.Errorf("a wanted restart counts as an incident: %q", incident)
	}
	if first.running() || !set.running("server") {
		t.Error("the program runs on with what it read before")
	}
}

func TestProcessThatWillNotStopIsKilled(t *testing.T) {
	set, _ := testSet(t)
	stubborn := shell(t, "stubborn", "trap '' TERM; echo set; while :; do sleep 0.01; done")
	stubborn.grace = 200 * time.Millisecond
	set.mustEnsure(t, stubborn)
	p := set.byName["stubborn"]
	waitFor(t, func() bool {
		log, _ := os.ReadFile(filepath.Join(set.dir, "logs", "stubborn.log"))
		return len(log) > 0
	})
	if err := set.stopAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.running() || len(set.state.Processes) != 0 {
		t.Error("it still runs or is still recorded")
	}
}

// waitFor polls until the condition holds, for at most ten seconds.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); !condition(); {
		select {
		case <-deadline:
			t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

func TestStaleProcessIsStoppedButNotItsNumbersNextOwner(t *testing.T) {
	root := t.TempDir()
	start := func() (*exec.Cmd, processRecord) {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		var record processRecord
		// Between fork and exec the child is still this program.
		waitFor(t, func() bool {
			var err error
			record, err = identify(cmd.Process.Pid)
			return err == nil && strings.Contains(record.Executable, "sleep") || strings.Contains(record.Executable, "coreutils")
		})
		return cmd, record
	}
	stale, staleRecord := start()
	other, otherRecord := start()
	otherRecord.Started = "long ago"

	dir := filepath.Join(root, "acme", "uid")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	left := state{UID: "uid", Processes: map[string]processRecord{"etcd": staleRecord, "kwok": otherRecord, "gone": {PID: 1 << 30}}}
	if err := left.write(dir); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stale.Wait() }()
	if err := stopStale(root, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	<-ended
	if _, err := identify(other.Process.Pid); err != nil {
		t.Error("a process that only has a recorded number was killed")
	}
	if s, err := readState(dir); err != nil || len(s.Processes) != 0 || s.UID != "uid" {
		t.Errorf("state after the clean-up: %+v, error %v", s, err)
	}
}

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	line := []byte(strings.Repeat("x", 1<<16))
	for range 200 { // 12.5 MiB
		if n, err := log.Write(line); n != len(line) || err != nil {
			t.Fatalf("wrote %d, error %v", n, err)
		}
	}
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil || info.Size() == 0 || info.Size() > logLimit {
			t.Errorf("%s: size %v, error %v", p, info, err)
		}
	}
}
