package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// What is measured runs in a process of its own, so that its CPU time and memory
// are not mixed with those of the measuring side: bench starts itself with the
// name of a role.
const (
	roleHub    = "serve-hub"    // the hub's Git endpoint
	rolePlain  = "serve-plain"  // git http-backend, as git comes
	roleRender = "render-fleet" // one rendering
)

func isRole(name string) bool {
	return name == roleHub || name == rolePlain || name == roleRender
}

func runRole(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var err error
	switch role, args := args[0], args[1:]; {
	case role == roleRender && len(args) == 2:
		err = renderFleet(ctx, args[0], args[1], stdout)
	case role == roleHub && len(args) == 2:
		err = serveRole(ctx, func() (endpoint, error) { return newHubEndpoint(args[0], args[1]) }, stdin, stdout)
	case role == rolePlain && len(args) == 1:
		err = serveRole(ctx, func() (endpoint, error) { return newPlainEndpoint(args[0]) }, stdin, stdout)
	default:
		err = fmt.Errorf("role %s: wrong number of arguments", role)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// usage is what a server and the processes that it waited for have used so far.
type usage struct {
	Self, Children time.Duration // CPU time
	// ChildFaults are page faults of children: any child that ever ran has some.
	ChildFaults int64
}

func (u usage) minus(before usage) usage {
	return usage{u.Self - before.Self, u.Children - before.Children, u.ChildFaults - before.ChildFaults}
}

func (u usage) cpu() time.Duration { return u.Self + u.Children }

func ownUsage() (usage, error) {
	var self, children syscall.Rusage
	err := errors.Join(syscall.Getrusage(syscall.RUSAGE_SELF, &self), syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children))
	if err != nil {
		return usage{}, fmt.Errorf("ask for CPU time: %w", err)
	}
	cpu := func(u syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }
	return usage{cpu(self), cpu(children), int64(children.Minflt) + int64(children.Majflt)}, nil
}

// server is the measuring side's hold on a serving process. The process ends
// when its stdin does, so it cannot outlive bench; it heeds no Ctrl-C, so that what
// depends on it ends first.
type server struct {
	address string
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

func startServer(role string, args ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, append([]string{role}, args...)...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	s := &server{command: command, in: in, out: bufio.NewScanner(out)}
	if !s.out.Scan() {
		return nil, errors.Join(fmt.Errorf("start %s: it ended", role), s.stop())
	}
	s.address = s.out.Text()
	return s, nil
}

// usage asks the server.
func (s *server) usage() (usage, error) {
	var answer usage
	if _, err := fmt.Fprintln(s.in, "usage"); err != nil {
		return answer, fmt.Errorf("ask a server for its CPU time: %w", err)
	}
	if !s.out.Scan() {
		return answer, errors.New("ask a server for its CPU time: it ended")
	}
	err := json.Unmarshal(s.out.Bytes(), &answer)
	return answer, err
}

func (s *server) stop() error {
	return errors.Join(s.in.Close(), s.command.Wait())
}

// used is what the server uses during work.
func (s *server) used(work func() error) (usage, error) {
	before, err := s.usage()
	if err != nil {
		return usage{}, err
	}
	if err := work(); err != nil {
		return usage{}, err
	}
	after, err := s.usage()
	return after.minus(before), err
}
