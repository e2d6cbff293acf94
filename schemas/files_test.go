package schemas_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
)

// TestWhatIsNotReadIsAProblem covers everything that could make a document look
// as if it had been removed although it only was not read. None may pass, and
// none may be followed by messages that take the document for missing.
func TestWhatIsNotReadIsAProblem(t *testing.T) {
	link := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
	}
	without := func(folder string, files fstest.MapFS) fstest.MapFS {
		fsys := fstest.MapFS{}
		for name, file := range valid() {
			if name[:len(folder)] != folder {
				fsys[name] = file
			}
		}
		for name, file := range files {
			fsys[name] = file
		}
		return fsys
	}
	with := func(name string, file *fstest.MapFile) fstest.MapFS {
		fsys := valid()
		fsys[name] = file
		return fsys
	}
	text := &fstest.MapFile{Data: []byte(cluster)}
	tests := []struct {
		reason string
		fsys   fs.FS
		want   []string
	}{
		{"link to a file", with("clusters/us.yaml", link("../elsewhere.yaml")), []string{
			`clusters/us.yaml: is a symbolic link; put the file or folder itself in its place`}},
		{"link to a folder", with("clusters/us", link("eu")), []string{
			`clusters/us: is a symbolic link; put the file or folder itself in its place`}},
		{"link that leads nowhere", with("clusters/us", link("nowhere")), []string{
			`clusters/us: is a symbolic link; put the file or folder itself in its place`}},
		{"link in place of a folder", without("clusters", fstest.MapFS{"clusters": link("other"), "other/dev.txt": text}), []string{
			`clusters: is a symbolic link; put the file or folder itself in its place`}},
		{"link to a pack", without("packs", fstest.MapFS{"packs/nginx": link("../nginx"), "nginx/README.md": text}), []string{
			`packs/nginx: is a symbolic link; put the file or folder itself in its place`}},
		{"link in place of tenant.yaml", with("tenant.yaml", link("clusters/eu/dev.yaml")), []string{
			`tenant.yaml: is a symbolic link; put the file or folder itself in its place`}},
		{"pipe", with("clusters/us.yml", &fstest.MapFile{Mode: fs.ModeNamedPipe}), []string{
			`clusters/us.yml: is not a regular file; put one in its place`}},
		{"folder in place of tenant.yaml", without("tenant", fstest.MapFS{"tenant.yaml/x": text}), []string{
			`tenant.yaml: is a folder; put a file in its place`}},
		{"file in place of clusters", without("clusters", fstest.MapFS{"clusters": text}), []string{
			`clusters: is a file; make it a folder and put each Cluster into a file of it`}},
		{"file in place of profiles", without("profiles", fstest.MapFS{"profiles": text}), []string{
			`profiles: is a file; make it a folder and put each ClusterProfile into a file of it`}},
		{"file in place of packs", without("packs", fstest.MapFS{"packs": text}), []string{
			`packs: is a file; make it a folder and put each Pack into a file of it`}},
		{"file in place of clouds", with("clouds", text), []string{
			`clouds: is a file; make it a folder and put each CloudAccount into a file of it`}},
		{"folder that cannot be listed", unreadable{valid(), "clusters"}, []string{
			`clusters: cannot be read: open clusters: permission denied`}},
		{"folder below that cannot be listed", unreadable{valid(), "clusters/eu"}, []string{
			`clusters/eu: cannot be read: open clusters/eu: permission denied`}},
		{"profiles that cannot be listed", unreadable{valid(), "profiles"}, []string{
			`profiles: cannot be read: open profiles: permission denied`}},
		{"file that cannot be opened", unreadable{valid(), "clusters/eu/dev.yaml"}, []string{
			`clusters/eu/dev.yaml: cannot be read: open clusters/eu/dev.yaml: permission denied`}},
		{"tenant that cannot be opened", unreadable{valid(), "tenant.yaml"}, []string{
			`tenant.yaml: cannot be read: open tenant.yaml: permission denied`}},
		{"folder beside them", unreadable{with("cluster/dev.yaml", text), "cluster"}, []string{
			`cluster: cannot be read: open cluster: permission denied`}},
		{"root", unreadable{valid(), "."}, []string{
			`.: cannot be read: open .: permission denied`}},
		{"hidden links, and links elsewhere", with("clusters/.#dev.yaml", link("nowhere")), nil},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			_, problems := schemas.Load(tt.fsys)
			var got []string
			for _, problem := range problems {
				got = append(got, problem.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// unreadable is a file system of which one file or folder cannot be opened.
type unreadable struct {
	fstest.MapFS
	name string
}

func (u unreadable) Open(name string) (fs.File, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.Open(name)
}

func (u unreadable) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.ReadDir(name)
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.ReadFile(name)
}
