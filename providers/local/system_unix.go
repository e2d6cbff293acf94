//go:build unix && !linux

package local

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// diesWithParent: the system ends a child when its parent ends.
const diesWithParent = false

// childAttributes give a child a process group of its own, so that Ctrl-C in a
// terminal reaches it through an orderly stop only.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// identify tells apart two processes that were given the same ID: by the start
// time that ps prints. A process that does not exist gives os.ErrNotExist.
func identify(pid int) (processRecord, error) {
	line, err := exec.Command("ps", "-o", "lstart=", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return processRecord{}, os.ErrNotExist
	}
	// lstart is five words: Mon Jan  2 15:04:05 2006.
	fields := strings.Fields(string(line))
	if len(fields) < 6 {
		return processRecord{}, fmt.Errorf("read what ps says of process %d: unexpected %q", pid, line)
	}
	return processRecord{
		PID:        pid,
		Started:    strings.Join(fields[:5], " "),
		Executable: strings.Join(fields[5:], " "),
	}, nil
}
