package sync

import (
	"fmt"
	"slices"
	"strings"
)

// folder is a tree while it is being put together.
type folder struct {
	files   map[string]objectID
	folders map[string]*folder
}

func newFolder() *folder {
	return &folder{files: map[string]objectID{}, folders: map[string]*folder{}}
}

// objectSet holds objects by name; equal content is held once.
type objectSet map[objectID]object

func (s objectSet) add(o object) (objectID, error) {
	id, err := o.id()
	if err != nil {
		return id, err
	}
	s[id] = o
	return id, nil
}

// addFiles adds the blobs and trees that hold files and names the root tree.
func (s objectSet) addFiles(files map[string][]byte) (objectID, error) {
	root := newFolder()
	for path, data := range files {
		if err := checkPath(path); err != nil {
			return objectID{}, err
		}
		id, err := s.add(object{kindBlob, data})
		if err != nil {
			return objectID{}, fmt.Errorf("file %s: %w", path, err)
		}
		root.insert(strings.Split(path, "/"), id)
	}
	return s.addFolder(root)
}

func (f *folder) insert(path []string, id objectID) {
	for _, name := range path[:len(path)-1] {
		if f.folders[name] == nil {
			f.folders[name] = newFolder()
		}
		f = f.folders[name]
	}
	f.files[path[len(path)-1]] = id
}

func (s objectSet) addFolder(f *folder) (objectID, error) {
	var entries []treeEntry
	for name, id := range f.files {
		entries = append(entries, treeEntry{modeFile, name, id})
	}
	for name, sub := range f.folders {
		id, err := s.addFolder(sub)
		if err != nil {
			return objectID{}, err
		}
		entries = append(entries, treeEntry{modeFolder, name, id})
	}
	slices.SortFunc(entries, compareEntries)
	if err := checkDistinct(entries); err != nil {
		return objectID{}, err
	}
	return s.add(object{kindTree, encodeTree(entries)})
}

func encodeTree(entries []treeEntry) []byte {
	var b []byte
	for _, e := range entries {
		b = fmt.Appendf(b, "%s %s\x00", e.mode, e.name)
		b = append(b, e.id[:]...)
	}
	return b
}
