package renderer_test

import (
	"errors"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
)

var update = flag.Bool("update", false, "rewrite the want/ parts of testdata/*.txtar")

// input is a rendering of source at a fixed commit.
func input(source fs.FS) renderer.Input {
	return renderer.Input{
		Source: source,
		Commit: renderer.Commit{
			ID:        "1111111111111111111111111111111111111111",
			Ancestors: 7,
			Time:      time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600)),
		},
		TrustedKeys: []string{"ssh-ed25519 AAAAhub"},
		Version:     "test",
		Clouds: map[string]schemas.CloudSchemas{
			"local": {
				Cluster: []byte(`{"type": "object"}`),
				Account: []byte(`{"type": "object"}`),
			},
			"strict": {
				Cluster: []byte(`{"type": "object", "required": ["zone"], "additionalProperties": false, "properties": {"zone": {"type": "string"}}}`),
			},
		},
	}
}

// TestGolden renders each testdata/*.txtar: the files of a repository,
// previous/<cluster>.yaml for root manifests, then want/<cluster>/… or
// want/problems.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want := readCase(t, archive)
			got := render(t, in)
			if *update {
				writeCase(t, file, archive, got)
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("run with -update to accept (-want +got):\n%s", diff)
			}
		})
	}
}

func readCase(t *testing.T, archive *txtar.Archive) (renderer.Input, map[string]string) {
	t.Helper()
	source := fstest.MapFS{}
	in := input(source)
	in.Previous = map[string]schemas.DesiredCluster{}
	want := map[string]string{}
	for _, file := range archive.Files {
		switch dir, rest, _ := strings.Cut(file.Name, "/"); dir {
		case "want":
			want[rest] = string(file.Data)
		case "previous":
			var manifest schemas.DesiredCluster
			if err := schemas.Unmarshal(file.Data, &manifest); err != nil {
				t.Fatalf("%s: %v", file.Name, err)
			}
			in.Previous[strings.TrimSuffix(rest, ".yaml")] = manifest
		default:
			source[file.Name] = &fstest.MapFile{Data: file.Data}
		}
	}
	return in, want
}

// render gives the files of all clusters under their names, and "problems" or
// "unchanged" where there are any.
func render(t *testing.T, in renderer.Input) map[string]string {
	t.Helper()
	got := map[string]string{}
	output, err := renderer.Render(t.Context(), in)
	var problems schemas.Problems
	if errors.As(err, &problems) {
		got["problems"] = problems.Error() + "\n"
		return got
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range output.Clusters {
		for name, data := range tree.Files {
			got[path.Join(tree.Name, name)] = string(data)
		}
		if !tree.Changed {
			got["unchanged"] += tree.Name + "\n"
		}
	}
	return got
}

func writeCase(t *testing.T, file string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want/") })
	for _, name := range slices.Sorted(maps.Keys(got)) {
		archive.Files = append(archive.Files, txtar.File{Name: "want/" + name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestExamples renders every folder of examples/: what people copy must work.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob("../examples/*/tenant.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			got := render(t, input(os.DirFS(dir)))
			if problems := got["problems"]; problems != "" {
				t.Fatalf("\n%s", problems)
			}
			golden := filepath.Join("testdata", "examples", filepath.Base(dir)+".txtar")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				writeCase(t, golden, &txtar.Archive{Comment: []byte("What examples/" + filepath.Base(dir) + " renders to.\n")}, got)
				return
			}
			archive, err := txtar.ParseFile(golden)
			if err != nil {
				t.Fatalf("%v (run with -update to make it)", err)
			}
			want := map[string]string{}
			for _, f := range archive.Files {
				want[strings.TrimPrefix(f.Name, "want/")] = string(f.Data)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("run with -update to accept (-want +got):\n%s", diff)
			}
		})
	}
}
