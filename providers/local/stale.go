package local

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// staleDeadline is how long a killed process may take to be gone.
const staleDeadline = 5 * time.Second

// stopStale ends the processes that an earlier provider left running in any
// cluster below root. They are killed outright: nobody waits for them, and each
// of them must survive that anyway.
func stopStale(root string, log *slog.Logger) error {
	files, err := filepath.Glob(filepath.Join(root, "*", "*", stateFile))
	if err != nil {
		return fmt.Errorf("look for local clusters in %s: %w", root, err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		s, err := readState(dir)
		if err != nil {
			return err
		}
		for name, record := range s.Processes {
			if err := stopRecorded(record); err != nil {
				return fmt.Errorf("stop %s of cluster %s that an earlier run left behind: %w", name, s.Cluster, err)
			}
			log.Info("recorded process is gone", "cluster", s.Cluster, "process", name, "pid", record.PID)
		}
		s.Processes = map[string]processRecord{}
		if err := s.write(dir); err != nil {
			return err
		}
	}
	return nil
}

// stopRecorded kills the very process that was recorded and waits until it is
// gone; another process that has its ID by now is left alone.
func stopRecorded(record processRecord) error {
	for deadline := time.Now().Add(staleDeadline); ; {
		live, err := identify(record.PID)
		if errors.Is(err, fs.ErrNotExist) || err == nil && live != record {
			return nil
		}
		if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end; end it by hand", record.PID)
		}
		process, err := os.FindProcess(record.PID)
		if err != nil {
			return nil
		}
		if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill process %d: %w", record.PID, err)
		}
		// Not a child of this process, so there is nothing to wait on.
		time.Sleep(10 * time.Millisecond)
	}
}
