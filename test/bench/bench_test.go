package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The test binary plays the roles that bench starts itself for.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && isRole(os.Args[1]) {
		os.Exit(runRole(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestFigures(t *testing.T) {
	cases := map[string]struct {
		figure figure
		want   string // as JSON
	}{
		"a value alone": {
			newFigure("a", 1.23456, "ms"),
			`{"name":"a","value":1.235,"unit":"ms","baseline":null,"ratio":null,"budget":null,"ok":null}`,
		},
		"kept": {
			newFigure("a", 100, "B").beside(400, "git").within(100),
			`{"name":"a","value":100,"unit":"B","baseline":400,"ratio":0.25,"budget":100,"ok":true}`,
		},
		"missed": {
			newFigure("a", 123456, "B").beside(100, "git").within(2048.4),
			`{"name":"a","value":123456,"unit":"B","baseline":100,"ratio":1235,"budget":2048,"ok":false}`,
		},
		"a budget of nothing": {
			newFigure("a", 0, "calls").within(0),
			`{"name":"a","value":0,"unit":"calls","baseline":null,"ratio":null,"budget":0,"ok":true}`,
		},
		"a baseline of nothing has no ratio": {
			newFigure("a", 1, "calls").beside(0, "nothing"),
			`{"name":"a","value":1,"unit":"calls","baseline":0,"ratio":null,"budget":null,"ok":null}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(c.figure)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("figure (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	cases := map[string]struct {
		times []time.Duration
		want  time.Duration
	}{
		"none":                        {nil, 0},
		"one":                         {[]time.Duration{5}, 5},
		"between the two middle ones": {[]time.Duration{8, 2, 4, 100}, 6},
		"not moved by one":            {[]time.Duration{3, 1000, 2}, 3},
	}
	for name, c := range cases {
		if got := median(c.times); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestOnlyAWholeRunIsKept(t *testing.T) {
	figures := []figure{newFigure("a", 1, "ms")}
	for name, c := range map[string]struct {
		args    []string
		written bool
	}{
		"a whole run": {nil, true},
		"quick":       {[]string{"-quick"}, false},
		"some":        {[]string{"-only", "a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "new", "results.json")
			var stdout, stderr bytes.Buffer
			options, err := parse(append(c.args, "-out", path), &stderr)
			if err != nil {
				t.Fatal(err)
			}
			if err := keep(options, figures, &stdout); err != nil {
				t.Fatal(err)
			}
			_, err = os.Stat(path)
			if written := err == nil; written != c.written {
				t.Errorf("written: %t, want %t", written, c.written)
			}
			if !c.written && !strings.Contains(stdout.String(), "nothing was written") {
				t.Errorf("does not say that nothing was written: %q", stdout.String())
			}
		})
	}
}

func TestWrongFlags(t *testing.T) {
	for _, args := range [][]string{{"-only", "("}, {"extra"}, {"-unknown"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%v: exit code %d, message %q", args, code, &stderr)
		}
	}
}

// What cannot be measured is an error, and leaves the file as it was.
func TestWithoutPrograms(t *testing.T) {
	t.Chdir(t.TempDir())
	path := filepath.Join(t.TempDir(), "results.json")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-quick", "-only", "agent", "-out", path}, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "make build") {
		t.Errorf("exit code %d, message %q", code, &stderr)
	}
}

// The sizes are small, the way is that of a full run. Figures that need the
// programs of bin/ are left to "make bench".
func TestQuickRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-quick", "-only", "^render|publish"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}
	for _, name := range []string{"render.fleet.change", "render.fleet.rss", "sync.publish.10k", "quick:"} {
		if !strings.Contains(stdout.String(), "\n"+name) {
			t.Errorf("%s is missing in:\n%s", name, &stdout)
		}
	}
}
