//go:build unix

package sync

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ownGroup makes cmd stop with all its children when its context ends. git is
// asked first (SIGTERM), because it then removes its lock files; what is left
// after five seconds is killed.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = 5 * time.Second
}

// killGroup ends what an ended command left behind in its group.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // usually there is nobody left
	}
}

// executable is whether this process may run the file at path: a mount may
// forbid it although the file's mode allows it.
func executable(path string) bool { return syscall.Access(path, 1) == nil }
