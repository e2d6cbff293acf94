package sync

import (
	"errors"
	"fmt"
	"io"
)

// statusFile is the only file of a status commit.
const statusFile = "status.yaml"

// checkStatusPush looks into an agent's push before git gets it: one orphan
// commit with one file, complete in itself. Were it allowed to build on objects
// that the repository has (parents, delta bases, known trees), an agent could
// read the source and other clusters through its own branch by naming them.
func checkStatusPush(commands *pushCommands, body io.Reader) error {
	if len(commands.changes) != 1 {
		return errors.New("a status push moves one ref")
	}
	objects, err := readPack(body, packLimits{
		packBytes: maxStatusPush, objects: 16, objectBytes: maxStatusBytes, totalBytes: maxStatusPush, deltaDepth: 1,
	})
	if err != nil {
		return fmt.Errorf("status push must be a complete pack: %w", err)
	}
	id, err := parseID(commands.changes[0].New)
	if err != nil {
		return err
	}
	snapshot, err := objects.snapshot(id)
	if err != nil {
		return fmt.Errorf("status push must be a complete pack: %w", err)
	}
	commit, err := parseCommit(snapshot.Commit, snapshot.Raw)
	if err != nil {
		return err
	}
	if len(commit.Parents) > 0 {
		return errors.New("a status commit has no parents; name the one before in its content")
	}
	if _, ok := snapshot.Files[statusFile]; !ok || len(snapshot.Files) != 1 || len(objects) != 3 {
		return fmt.Errorf("a status commit holds exactly one file, %s", statusFile)
	}
	return nil
}
