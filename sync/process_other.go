//go:build !unix

package sync

import (
	"os"
	"os/exec"
	"time"
)

// ownGroup makes cmd stop when its context ends.
func ownGroup(cmd *exec.Cmd) { cmd.WaitDelay = 5 * time.Second }

func killGroup(*exec.Cmd) {}

func executable(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
