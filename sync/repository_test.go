package sync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	gosync "sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPublishedCommitPassesGitsOwnChecks(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	first := publish(t, repo, signer, update("refs/heads/desired/a", "", map[string]string{"cluster.yaml": "a: 1\n", "layers/10-x/b.yaml": "b\n"}))
	second := publish(t, repo, signer, update("refs/heads/desired/a", first, map[string]string{"cluster.yaml": "a: 2\n", "layers/10-x/b.yaml": "b\n"}))

	allowed := filepath.Join(t.TempDir(), "allowed")
	writeFile(t, allowed, "noreply@branchline.dev "+signer.PublicKey()+"\n")
	for _, id := range []string{first, second} {
		mustGit(t, repo.Dir(), "-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", id)
	}
	fsck(t, repo.Dir())

	c, err := repo.Commit(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	want := &Commit{ID: second, Tree: c.Tree, Parents: []string{first}, CommitterTime: testTime, Subject: "test: refs/heads/desired/a", Raw: c.Raw}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	key, err := VerifyCommit(c.Raw, []string{"ssh-ed25519 garbage", signer.PublicKey() + " comment"})
	if err != nil || key != signer.PublicKey() {
		t.Errorf("got key %q, error %v", key, err)
	}
	if n, err := repo.Ancestors(t.Context(), second); n != 2 || err != nil {
		t.Errorf("ancestors: %d, %v", n, err)
	}
	for _, tt := range []struct {
		old, new string
		want     bool
	}{{first, second, true}, {second, first, false}, {first, first, true}} {
		if got, err := repo.IsAncestor(t.Context(), tt.old, tt.new); got != tt.want || err != nil {
			t.Errorf("IsAncestor(%s, %s) = %v, %v", tt.old, tt.new, got, err)
		}
	}
}

func TestSameInputGivesSameCommit(t *testing.T) {
	signer := newSignerT(t)
	u := update("refs/heads/desired/a", "", map[string]string{"z/y.yaml": "1", "z.yaml": "2", "z-a": "3", "é.yaml": "4"})
	ids := map[string]bool{}
	for range 3 {
		ids[publish(t, newRepositoryT(t), signer, u)] = true
	}
	if len(ids) != 1 {
		t.Errorf("got %d different commits: %v", len(ids), ids)
	}
}

func TestUnknownIsNotAbsent(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	ctx := t.Context()
	if _, err := repo.Tip(ctx, "refs/heads/desired/a"); !errors.Is(err, ErrRefNotFound) {
		t.Errorf("missing ref: %v", err)
	}
	publish(t, repo, signer, update("refs/heads/desired/a", "", map[string]string{"f": "1"}))
	if _, err := repo.Tip(ctx, "refs/heads/desired/a/b"); !errors.Is(err, ErrRefNotFound) {
		t.Errorf("ref below a ref: %v", err)
	}
	mustGit(t, repo.Dir(), "pack-refs", "--all")
	if _, err := repo.Tip(ctx, "refs/heads/desired/a"); err != nil {
		t.Errorf("packed ref: %v", err)
	}

	corrupt := map[string]func(t *testing.T, dir string){
		"garbage in a ref":           func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "refs/heads/desired/b"), "garbage\n") },
		"empty ref, as from a crash": func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "refs/heads/desired/b"), "") },
		"garbage in packed refs":     func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "packed-refs"), "what is this\n") },
		"objects gone": func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "refs/heads/desired/b"), strings.Repeat("1", 40)+"\n")
		},
		"repository gone": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		},
		"no repository any more": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "HEAD")); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, breakIt := range corrupt {
		t.Run(name, func(t *testing.T) {
			repo := newRepositoryT(t)
			publish(t, repo, signer, update("refs/heads/desired/a", "", map[string]string{"f": "1"}))
			breakIt(t, repo.Dir())
			tip, err := repo.Tip(t.Context(), "refs/heads/desired/b")
			if name == "objects gone" {
				// The ref itself is readable; its commit is not.
				if _, err := repo.Commit(t.Context(), tip); err == nil {
					t.Error("a commit that does not exist was read")
				}
				return
			}
			if err == nil || errors.Is(err, ErrRefNotFound) {
				t.Errorf("tip: %v", err)
			}
			if refs, err := repo.Refs(t.Context(), "refs/heads/desired/"); err == nil {
				t.Errorf("refs: %v", refs)
			}
		})
	}
}

func TestPublishIsAllOrNothing(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	a := publish(t, repo, signer, update("refs/heads/desired/a", "", map[string]string{"f": "1"}))
	before, err := repo.Refs(t.Context(), "refs/heads")
	if err != nil {
		t.Fatal(err)
	}
	stale := update("refs/heads/desired/a", strings.Repeat("a", 40), map[string]string{"f": "2"})
	stale.Parents = []string{a}
	bad := func(change func(*Update)) Update {
		u := update("refs/heads/desired/c", "", map[string]string{"f": "3"})
		change(&u)
		return u
	}
	cases := map[string]struct {
		update   Update
		conflict bool
	}{
		"moved":            {stale, true},
		"exists":           {update("refs/heads/desired/a", "", map[string]string{"f": "2"}), true},
		"does not exist":   {update("refs/heads/desired/c", a, map[string]string{"f": "2"}), true},
		"parent missing":   {bad(func(u *Update) { u.Parents = []string{strings.Repeat("b", 40)} }), false},
		"ref below a ref":  {update("refs/heads/desired/a/b", "", map[string]string{"f": "2"}), false},
		"twice":            {update("refs/heads/desired/b", "", map[string]string{"f": "2"}), false},
		"no files":         {bad(func(u *Update) { u.Files = nil }), false},
		"no message":       {bad(func(u *Update) { u.Message = " " }), false},
		"no time":          {bad(func(u *Update) { u.When = time.Time{} }), false},
		"ref syntax":       {bad(func(u *Update) { u.Ref = "refs/heads/a b" }), false},
		"not a branch":     {bad(func(u *Update) { u.Ref = "refs/tags/x" }), false},
		"ref escapes":      {bad(func(u *Update) { u.Ref = "refs/heads/../x" }), false},
		"bad identity":     {bad(func(u *Update) { u.Identity = Identity{"a\nb", "c"} }), false},
		"path escapes":     {bad(func(u *Update) { u.Files = map[string][]byte{"../x": nil} }), false},
		"git folder":       {bad(func(u *Update) { u.Files = map[string][]byte{"a/.GIT/x": nil} }), false},
		"absolute path":    {bad(func(u *Update) { u.Files = map[string][]byte{"/x": nil} }), false},
		"case duplicate":   {bad(func(u *Update) { u.Files = map[string][]byte{"x/a": nil, "X/b": nil} }), false},
		"file and folder":  {bad(func(u *Update) { u.Files = map[string][]byte{"x": nil, "x/b": nil} }), false},
		"expression as ID": {bad(func(u *Update) { u.Parents = []string{"HEAD~1"} }), false},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			good := update("refs/heads/desired/b", "", map[string]string{"f": "1"})
			_, err := repo.Publish(t.Context(), signer, []Update{good, tt.update})
			if err == nil || errors.Is(err, ErrConflict) != tt.conflict {
				t.Errorf("error: %v", err)
			}
			after, err := repo.Refs(t.Context(), "refs/heads")
			if diff := cmp.Diff(before, after); diff != "" || err != nil {
				t.Errorf("refs changed: %s %v", diff, err)
			}
		})
	}
	fsck(t, repo.Dir())
}

// Each of many writers either has its commit in the branch or was told of a
// conflict and tried again.
func TestConcurrentPublishersLoseNothing(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	const writers, each = 6, 4
	var group gosync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				if err := appendLine(t, repo, signer, fmt.Sprintf("%d-%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	tip, err := repo.Tip(t.Context(), "refs/heads/desired/a")
	if err != nil {
		t.Fatal(err)
	}
	data, err := repo.File(t.Context(), tip, "log")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		lines[line] = true
	}
	if len(lines) != writers*each {
		t.Errorf("%d lines of %d are left", len(lines), writers*each)
	}
	if n, err := repo.Ancestors(t.Context(), tip); n != writers*each || err != nil {
		t.Errorf("%d commits, %v", n, err)
	}
	fsck(t, repo.Dir())
}

func appendLine(t *testing.T, repo *Repository, signer *Signer, line string) error {
	ctx := t.Context()
	for {
		tip, err := repo.Tip(ctx, "refs/heads/desired/a")
		var old []byte
		if err == nil {
			old, err = repo.File(ctx, tip, "log")
		}
		if err != nil && !errors.Is(err, ErrRefNotFound) {
			return err
		}
		u := update("refs/heads/desired/a", tip, map[string]string{"log": string(old) + line + "\n"})
		if _, err := repo.Publish(ctx, signer, []Update{u}); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

func TestManyBranchesInOnePublish(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	var updates []Update
	for i := range 60 {
		updates = append(updates, update(fmt.Sprintf("refs/heads/desired/c%d", i), "", map[string]string{
			"cluster.yaml": fmt.Sprint(i), "layers/10-shared/a.yaml": "shared"}))
	}
	published, err := repo.Publish(t.Context(), signer, updates)
	if err != nil {
		t.Fatal(err)
	}
	refs, err := repo.Refs(t.Context(), "refs/heads/desired")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, p := range published {
		want[p.Ref] = p.Commit
	}
	if diff := cmp.Diff(want, refs); diff != "" {
		t.Error(diff)
	}
	// 60 commits, root trees and manifests, and the shared layer once: a folder above it, itself and its file.
	if got := strings.TrimSpace(mustGit(t, repo.Dir(), "rev-list", "--all", "--objects", "--count")); got != "183" {
		t.Errorf("%s objects", got)
	}
	packs, err := filepath.Glob(filepath.Join(repo.Dir(), "objects/pack/*.pack"))
	if len(packs) != 1 || err != nil {
		t.Errorf("%d packs, %v", len(packs), err)
	}
	fsck(t, repo.Dir())
}

func TestStaleLockIsRemoved(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	lock := filepath.Join(repo.Dir(), "refs/heads/desired/a.lock")
	writeFile(t, lock, "")
	u := update("refs/heads/desired/a", "", map[string]string{"f": "1"})
	if _, err := repo.Publish(t.Context(), signer, []Update{u}); err == nil {
		t.Fatal("a lock that another process holds was ignored")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(lock, old, old); err != nil {
		t.Fatal(err)
	}
	publish(t, repo, signer, u)
}

func TestInitRepositoryAgainKeepsEverything(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	id := publish(t, repo, signer, update("refs/heads/main", "", map[string]string{"f": "1"}))
	mustGit(t, repo.Dir(), "config", "receive.autogc", "true")
	again, err := InitRepository(t.Context(), repo.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if tip, err := again.Tip(t.Context(), "refs/heads/main"); tip != id || err != nil {
		t.Errorf("tip %s, %v", tip, err)
	}
	if got := mustGit(t, repo.Dir(), "config", "receive.autogc"); got != "false" {
		t.Errorf("receive.autogc = %s", got)
	}
	if got := mustGit(t, repo.Dir(), "symbolic-ref", "HEAD"); got != "refs/heads/main" {
		t.Errorf("HEAD = %s", got)
	}
	if _, err := OpenRepository(t.TempDir()); err == nil {
		t.Error("an empty folder was opened")
	}
}

func TestEnvironmentDoesNotReachGit(t *testing.T) {
	other := newRepositoryT(t)
	config := filepath.Join(t.TempDir(), "config")
	writeFile(t, config, "[core]\n\thooksPath = /nonexistent\n[alias]\n\tbroken\n = \n")
	t.Setenv("GIT_DIR", other.Dir())
	t.Setenv("GIT_OBJECT_DIRECTORY", filepath.Join(other.Dir(), "objects"))
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	t.Setenv("HOME", filepath.Dir(config))
	repo, signer := newRepositoryT(t), newSignerT(t)
	id := publish(t, repo, signer, update("refs/heads/main", "", map[string]string{"f": "1"}))
	if _, err := other.Commit(t.Context(), id); err == nil {
		t.Error("the commit went into the repository that the environment names")
	}
}

func TestFiles(t *testing.T) {
	repo, signer := newRepositoryT(t), newSignerT(t)
	files := map[string]string{"tenant.yaml": "t", "a/b/c.yaml": "c", "a/b.yaml": "", "a-b/c.yaml": "x"}
	id := publish(t, repo, signer, update("refs/heads/main", "", files))
	tree, err := repo.Files(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(tree, "tenant.yaml", "a/b/c.yaml", "a/b.yaml", "a-b/c.yaml"); err != nil {
		t.Error(err)
	}
	got := map[string]string{}
	err = fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			data, readErr := fs.ReadFile(tree, path)
			got[path], err = string(data), readErr
		}
		return err
	})
	if diff := cmp.Diff(files, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if data, err := repo.File(t.Context(), id, "a/b/c.yaml"); string(data) != "c" || err != nil {
		t.Errorf("File: %q, %v", data, err)
	}
	for _, path := range []string{"a/x", "x/y", "tenant.yaml2"} {
		if _, err := repo.File(t.Context(), id, path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("File(%s): %v", path, err)
		}
	}
	for _, path := range []string{"a", "tenant.yaml/x", "../x", ""} {
		if _, err := repo.File(t.Context(), id, path); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("File(%s): %v", path, err)
		}
	}
	if _, err := repo.Files(t.Context(), strings.Repeat("1", 40)); err == nil {
		t.Error("files of a commit that does not exist")
	}
	if _, err := repo.Files(t.Context(), "main"); err == nil {
		t.Error("a branch name passed for a commit")
	}
}
