package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const stateFile = "state.json"

// state is what must be known of a cluster before anything of it runs.
type state struct {
	Tenant  string `json:"tenant"`
	Cluster string `json:"cluster"`
	UID     string `json:"uid"`
	Ports   ports  `json:"ports"`
	// WasReady: the cluster has been as desired before, so that what is missing
	// now has broken rather than not been made yet.
	WasReady bool `json:"wasReady"`
	// Processes that were started and not seen to end, by name.
	Processes map[string]processRecord `json:"processes"`
}

// processRecord identifies one process: IDs alone are given out again.
type processRecord struct {
	PID        int    `json:"pid"`
	Started    string `json:"started"` // as the system counts it; only compared
	Executable string `json:"executable"`
}

// readState reads the state in dir; a missing file is a new cluster's.
func readState(dir string) (state, error) {
	path := filepath.Join(dir, stateFile)
	s := state{Processes: map[string]processRecord{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read the state of a local cluster: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read the state of a local cluster: %s: %w; "+
			"if no process of it runs any more, delete the file: ports are then chosen anew and data is kept", path, err)
	}
	if s.Processes == nil {
		s.Processes = map[string]processRecord{}
	}
	return s, nil
}

func (s state) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state of cluster %s: %w", s.Cluster, err)
	}
	if err := writeFile(filepath.Join(dir, stateFile), append(data, '\n')); err != nil {
		return fmt.Errorf("write the state of cluster %s: %w", s.Cluster, err)
	}
	return nil
}

// writeFile replaces a file in one step, readable by its owner only, so that a
// reader sees the old or the new content whenever the writer dies.
func writeFile(path string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // fails once it has been renamed
	_, err = temporary.Write(data)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
