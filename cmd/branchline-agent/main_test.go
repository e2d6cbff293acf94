package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"branchline.dev/branchline/cmd/internal/version"
)

func TestFlags(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"version", []string{"--version"}, 0, "branchline-agent " + version.Version + "\n", ""},
		{"help", []string{"--help"}, 0, "", "-kubeconfig file"},
		{"unknown flag", []string{"--nope"}, 2, "", "flag provided but not defined: -nope"},
		{"argument", []string{"run"}, 2, "", `unexpected argument "run", the agent takes flags only`},
		{"log level", []string{"--log-level=loud"}, 2, "", "loud"},
		{"no such kubeconfig", []string{"--kubeconfig", missing}, 1, "", "read kubeconfig"},
		{"not in a cluster", nil, 1, "", "outside of a cluster set --kubeconfig"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("KUBERNETES_SERVICE_HOST", "")
			var stdout, stderr bytes.Buffer
			if code := run(test.args, &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d; stderr: %s", code, test.code, stderr.String())
			}
			if !strings.Contains(stdout.String(), test.stdout) {
				t.Errorf("stdout %q, want %q in it", stdout.String(), test.stdout)
			}
			if !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("stderr %q, want %q in it", stderr.String(), test.stderr)
			}
		})
	}
}
