package local

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
)

var errClosed = errors.New("the provider of local clusters is closed")

// A spawner starts processes from one operating-system thread that lives as
// long as the spawner. Linux ends a child when the *thread* that started it ends
// (PR_SET_PDEATHSIG), and Go ends idle threads at will (golang.org/issue/27505).
type spawner struct {
	requests chan func()
	closed   chan struct{}
	close    sync.Once
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan func()), closed: make(chan struct{})}
	go func() {
		// Never unlocked: the thread ends with the goroutine, and takes along
		// whatever child is still left.
		runtime.LockOSThread()
		for {
			select {
			case request := <-s.requests:
				request()
			case <-s.closed:
				return
			}
		}
	}()
	return s
}

// start starts the command so that it ends with this process.
func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	result := make(chan error, 1)
	select {
	case s.requests <- func() { result <- cmd.Start() }:
		return <-result
	case <-s.closed:
		return errClosed
	}
}

func (s *spawner) stop() {
	s.close.Do(func() { close(s.closed) })
}
