package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"time"

	"branchline.dev/branchline/sync"
)

// tenant is the name of every repository here.
const tenant = "bench"

// endpoint is a Git server in the making: the handler and what ends with it.
type endpoint struct {
	http.Handler
	close func() error
}

// newHubEndpoint serves a repository like a hub does. The token of an agent is
// the name of its cluster: there is nothing to protect.
func newHubEndpoint(dir, hookProgram string) (endpoint, error) {
	repository, err := sync.OpenRepository(dir)
	if err != nil {
		return endpoint{}, err
	}
	server, err := sync.NewServer(sync.ServerOptions{
		Repository: func(name string) (*sync.Repository, bool) { return repository, name == tenant },
		Authenticate: func(_, user, token string) (sync.Principal, bool) {
			return sync.Principal{Kind: sync.Agent, Name: user, Cluster: token}, token != ""
		},
		Check:       func(context.Context, sync.Push) error { return nil },
		HookCommand: []string{hookProgram, "hub", "hook"},
	})
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{server, server.Close}, nil
}

// newPlainEndpoint serves the repositories below dir with what git itself brings.
func newPlainEndpoint(dir string) (endpoint, error) {
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return endpoint{}, fmt.Errorf("find git's programs: %w", err)
	}
	handler := &cgi.Handler{
		Path: filepath.Join(string(path[:len(path)-1]), "git-http-backend"),
		Dir:  dir,
		Env:  append(gitEnvironment(), "GIT_PROJECT_ROOT="+dir, "GIT_HTTP_EXPORT_ALL=1"),
	}
	return endpoint{handler, func() error { return nil }}, nil
}

// serveRole serves on loopback until stdin ends. It says where on the first line
// of stdout, and answers each line of stdin with what it has used.
func serveRole(ctx context.Context, open func() (endpoint, error), stdin io.Reader, stdout io.Writer) error {
	served, err := open()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, served.close())
	}
	server := &http.Server{Handler: served, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	fmt.Fprintln(stdout, listener.Addr())
	err = answerUsage(stdin, stdout)
	err = errors.Join(err, server.Close(), served.close())
	if cause := <-stopped; !errors.Is(cause, http.ErrServerClosed) {
		err = errors.Join(err, cause)
	}
	return err
}

func answerUsage(stdin io.Reader, stdout io.Writer) error {
	answers := json.NewEncoder(stdout)
	for questions := bufio.NewScanner(stdin); questions.Scan(); {
		used, err := ownUsage()
		if err != nil {
			return err
		}
		if err := answers.Encode(used); err != nil {
			return err
		}
	}
	return nil
}
