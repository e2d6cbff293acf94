package source

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
)

func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("git", append([]string{"-C", dir}, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, dir, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// repository has two commits and a merge of a third.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	runGit(t, dir, "init", "-q", "-b", "main")
	write(t, dir, "tenant.yaml", "one")
	runGit(t, dir, "add", "-A")
	runGit(t, dir, "commit", "-q", "-m", "one")
	runGit(t, dir, "checkout", "-q", "-b", "side")
	runGit(t, dir, "commit", "-q", "--allow-empty", "-m", "side")
	runGit(t, dir, "checkout", "-q", "main")
	runGit(t, dir, "commit", "-q", "--allow-empty", "-m", "two")
	runGit(t, dir, "merge", "-q", "--no-ff", "-m", "merge", "side")
	return dir
}

func TestOpenFindsTheCommitThatTheFilesEqual(t *testing.T) {
	tests := []struct {
		reason    string
		make      func(t *testing.T) string
		clean     bool
		ancestors int64
	}{
		{reason: "no Git repository", make: func(t *testing.T) string { return t.TempDir() }},
		{reason: "no commit yet", make: func(t *testing.T) string {
			dir := t.TempDir()
			runGit(t, dir, "init", "-q")
			return dir
		}},
		{reason: "clean", make: repository, clean: true, ancestors: 4},
		{reason: "a changed file", make: func(t *testing.T) string {
			dir := repository(t)
			write(t, dir, "tenant.yaml", "changed")
			return dir
		}},
		{reason: "a new file", make: func(t *testing.T) string {
			dir := repository(t)
			write(t, dir, "new.yaml", "new")
			return dir
		}},
		{reason: "a linked work tree", clean: true, ancestors: 4, make: func(t *testing.T) string {
			dir := filepath.Join(t.TempDir(), "linked")
			runGit(t, repository(t), "worktree", "add", "-q", dir)
			return dir
		}},
		{reason: "a shallow clone", make: func(t *testing.T) string {
			dir := t.TempDir()
			runGit(t, dir, "clone", "-q", "--depth", "1", "file://"+repository(t), ".")
			return dir
		}},
		{reason: "a directory inside a repository", make: func(t *testing.T) string {
			dir := filepath.Join(repository(t), "inside")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			dir := tt.make(t)
			source, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			want := NoCommit
			if tt.clean {
				want = runGit(t, dir, "rev-parse", "HEAD")
			}
			if source.Commit != want || source.Ancestors != tt.ancestors {
				t.Errorf("commit %s with %d ancestors, want %s with %d", source.Commit, source.Ancestors, want, tt.ancestors)
			}
		})
	}
}

func TestOpenReadsTheDesiredBranchesOfAClone(t *testing.T) {
	origin := repository(t)
	main := runGit(t, origin, "rev-parse", "main")
	runGit(t, origin, "checkout", "-q", "--orphan", "desired/dev")
	var manifest schemas.DesiredCluster
	manifest.Spec.UID, manifest.Spec.TrustedKeys = "u-1", []string{"a key"}
	data, err := schemas.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	write(t, origin, schemas.DesiredClusterFile, string(data))
	runGit(t, origin, "add", "-A")
	runGit(t, origin, "commit", "-q", "-m", "render")
	clone := t.TempDir()
	runGit(t, clone, "clone", "-q", "--branch", "main", origin, ".")

	source, err := Open(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	if source.Commit != main || source.Previous["dev"].Spec.UID != "u-1" || source.TrustedKeys()[0] != "a key" {
		t.Errorf("got commit %s, previous %v, keys %v", source.Commit, source.Previous, source.TrustedKeys())
	}
}

// What git ignores is in no commit, so a render that names a commit must not
// hold it.
func TestFilesAreThoseOfTheCommit(t *testing.T) {
	dir := repository(t)
	if err := os.MkdirAll(filepath.Join(dir, "clusters", "eu"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, ".gitignore", "private.yaml\n")
	write(t, dir, "clusters/eu/dev.yaml", "dev")
	write(t, dir, "clusters/empty.yaml", "")
	write(t, dir, "run.sh", "run")
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	runGit(t, dir, "add", "-A")
	runGit(t, dir, "commit", "-q", "-m", "clusters")
	write(t, dir, "clusters/private.yaml", "private")
	linked := filepath.Join(t.TempDir(), "linked")
	runGit(t, dir, "worktree", "add", "-q", linked)
	write(t, linked, "clusters/private.yaml", "private")
	packed := t.TempDir()
	runGit(t, packed, "clone", "-q", "file://"+dir, ".")

	want := map[string]string{
		".gitignore": "private.yaml\n", "clusters/eu/dev.yaml": "dev", "clusters/empty.yaml": "", "run.sh": "run", "tenant.yaml": "one",
	}
	for _, dir := range []string{dir, linked, packed} {
		source, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if source.Commit == NoCommit {
			t.Errorf("%s: no commit", dir)
		}
		if diff := cmp.Diff(want, contents(t, source.Files)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if err := fstest.TestFS(source.Files, "tenant.yaml", "clusters/eu/dev.yaml"); err != nil {
			t.Error(err)
		}
	}

	write(t, dir, "new.yaml", "new")
	source, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if files := contents(t, source.Files); source.Commit != NoCommit || files["new.yaml"] != "new" || files["clusters/private.yaml"] != "private" {
		t.Errorf("with a new file: commit %s, files %v", source.Commit, files)
	}
}

// contents reads all files but those of git itself.
func contents(t *testing.T, fsys fs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".git" && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir() || name == ".git":
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOpenRefusesCommitsThatAHubRefuses(t *testing.T) {
	tests := []struct {
		reason string
		change func(t *testing.T, dir string)
		want   string
	}{
		{"a symbolic link", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "clusters"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("../../secret.yaml", filepath.Join(dir, "clusters", "dev.yaml")); err != nil {
				t.Fatal(err)
			}
		}, "clusters/dev.yaml is a symbolic link; replace it by a copy of the file"},
		{"a submodule", func(t *testing.T, dir string) {
			runGit(t, dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repository(t), "packs")
		}, "packs is a submodule; put its files into the repository"},
		{"a huge file", func(t *testing.T, dir string) {
			write(t, dir, "huge.yaml", strings.Repeat("#", 16<<20+1))
		}, "huge.yaml: it has 16777217 bytes, more than the 16777216 allowed"},
		{"too many folders", func(t *testing.T, dir string) {
			deep := strings.Repeat("d/", 33)
			if err := os.MkdirAll(filepath.Join(dir, deep), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, dir, deep+"x.yaml", "x")
		}, "more than 32 folders deep"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			dir := repository(t)
			tt.change(t, dir)
			runGit(t, dir, "add", "-A")
			runGit(t, dir, "commit", "-q", "-m", "change")
			if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// A folder that git has lost is an error, not a tenant without clusters.
func TestMissingObjectIsAnError(t *testing.T) {
	dir := repository(t)
	if err := os.Mkdir(filepath.Join(dir, "clusters"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "clusters/dev.yaml", "dev")
	runGit(t, dir, "add", "-A")
	runGit(t, dir, "commit", "-q", "-m", "clusters")
	id := runGit(t, dir, "rev-parse", "HEAD:clusters")
	if err := os.Remove(filepath.Join(dir, ".git", "objects", id[:2], id[2:])); err != nil {
		t.Fatal(err)
	}
	source, err := Open(t.Context(), dir)
	if err == nil && source.Commit != NoCommit {
		t.Errorf("commit %s was read without %s", source.Commit, id)
	}
}

func TestFetchedDesiredBranchesWinOverLocalOnes(t *testing.T) {
	origin := repository(t)
	publish := func(dir, uid string, args ...string) {
		runGit(t, dir, append([]string{"checkout", "-q"}, args...)...)
		var manifest schemas.DesiredCluster
		manifest.Spec.UID = uid
		data, err := schemas.Marshal(manifest)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, schemas.DesiredClusterFile, string(data))
		runGit(t, dir, "add", "-A")
		runGit(t, dir, "commit", "-q", "-m", "render")
	}
	publish(origin, "old", "--orphan", "desired/dev")
	clone := t.TempDir()
	runGit(t, clone, "clone", "-q", "--branch", "main", origin, ".")
	runGit(t, clone, "branch", "-q", "desired/dev", "origin/desired/dev")
	publish(origin, "new", "desired/dev")
	runGit(t, clone, "fetch", "-q")
	publish(clone, "mine", "--orphan", "desired/mine")
	runGit(t, clone, "checkout", "-q", "main")

	source, err := Open(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	if source.Previous["dev"].Spec.UID != "new" || source.Previous["mine"].Spec.UID != "mine" {
		t.Errorf("previous %+v", source.Previous)
	}
}

func TestOpenRefusesWhatIsNoDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "file", "")
	for _, path := range []string{filepath.Join(dir, "file"), filepath.Join(dir, "missing")} {
		if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): %v", path, err)
		}
	}
}
