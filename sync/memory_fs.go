package sync

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// memoryFS is a read-only file system over files in memory.
type memoryFS struct {
	files   map[string][]byte
	folders map[string][]fs.DirEntry // sorted by name
}

var (
	_ fs.ReadFileFS = (*memoryFS)(nil)
	_ fs.ReadDirFS  = (*memoryFS)(nil)
	_ fs.StatFS     = (*memoryFS)(nil)
)

func newMemoryFS(files map[string][]byte) *memoryFS {
	m := &memoryFS{files: files, folders: map[string][]fs.DirEntry{".": nil}}
	for name, data := range files {
		m.list(path.Dir(name), memoryInfo{name: path.Base(name), size: int64(len(data))})
	}
	for _, entries := range m.folders {
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return m
}

// list enters info into its folder, and the folder into those above it.
func (m *memoryFS) list(folder string, info memoryInfo) {
	_, known := m.folders[folder]
	m.folders[folder] = append(m.folders[folder], fs.FileInfoToDirEntry(info))
	if !known {
		m.list(path.Dir(folder), memoryInfo{name: path.Base(folder), dir: true})
	}
}

func (m *memoryFS) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	if data, ok := m.files[name]; ok {
		return memoryInfo{name: path.Base(name), size: int64(len(data))}, nil
	}
	if _, ok := m.folders[name]; ok {
		return memoryInfo{name: path.Base(name), dir: true}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

func (m *memoryFS) Open(name string) (fs.File, error) {
	info, err := m.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &memoryFolder{info: info, left: m.folders[name]}, nil
	}
	return &memoryFile{info: info, Reader: bytes.NewReader(m.files[name])}, nil
}

// ReadFile gives a copy: the caller may change it.
func (m *memoryFS) ReadFile(name string) ([]byte, error) {
	data, ok := m.files[name]
	if !ok {
		if _, err := m.Stat(name); err != nil {
			return nil, err
		}
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	return bytes.Clone(data), nil
}

func (m *memoryFS) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := m.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	return slices.Clone(m.folders[name]), nil
}

type memoryInfo struct {
	name string
	size int64
	dir  bool
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return i.dir }
func (i memoryInfo) Sys() any           { return nil }
func (i memoryInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

type memoryFile struct {
	info fs.FileInfo
	*bytes.Reader
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memoryFile) Close() error               { return nil }

type memoryFolder struct {
	info fs.FileInfo
	left []fs.DirEntry
}

func (f *memoryFolder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memoryFolder) Close() error               { return nil }
func (f *memoryFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.Name(), Err: fs.ErrInvalid}
}

func (f *memoryFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(f.left)
	} else if len(f.left) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.left))
	head := f.left[:n]
	f.left = f.left[n:]
	return slices.Clone(head), nil
}
