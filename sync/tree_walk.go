package sync

import "fmt"

// treeLimits bounds what one commit may hold.
type treeLimits struct {
	files       int   // files and folders visited
	fileBytes   int64 // one file
	totalBytes  int64 // all files
	executables bool  // accept executable files as plain ones
}

// objectSource finds an object of a known kind and refuses one of more than most
// bytes before reading it.
type objectSource interface {
	object(id objectID, kind objectKind, most int64) ([]byte, error)
}

// treeWalk collects the files below one tree.
type treeWalk struct {
	source  objectSource
	limits  treeLimits
	files   map[string][]byte
	visited int
	bytes   int64
}

// maxTreeBytes bounds one tree object: about 50,000 entries.
const maxTreeBytes = 4 << 20

// readFiles gives the content of every file below root by path. A folder that
// appears in many places counts each time, so that a small pack cannot describe
// an endless tree.
func readFiles(source objectSource, root objectID, limits treeLimits) (map[string][]byte, error) {
	w := &treeWalk{source: source, limits: limits, files: map[string][]byte{}}
	if err := w.folder("", root, 1); err != nil {
		return nil, err
	}
	return w.files, nil
}

func (w *treeWalk) folder(path string, id objectID, depth int) error {
	if depth > maxPathDepth {
		return fmt.Errorf("folder %s is more than %d folders deep", clip(path), maxPathDepth)
	}
	data, err := w.source.object(id, kindTree, maxTreeBytes)
	if err != nil {
		return fmt.Errorf("read folder %q: %w", path, err)
	}
	entries, err := parseTree(data, w.limits.executables)
	if err != nil {
		return fmt.Errorf("folder %q: %w", path, err)
	}
	for _, entry := range entries {
		if err := w.entry(path, entry, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *treeWalk) entry(parent string, entry treeEntry, depth int) error {
	path := entry.name
	if parent != "" {
		path = parent + "/" + entry.name
	}
	if len(path) > maxPathBytes {
		return fmt.Errorf("path %q is longer than %d bytes", clip(path), maxPathBytes)
	}
	if w.visited++; w.visited > w.limits.files {
		return fmt.Errorf("more than %d files and folders", w.limits.files)
	}
	if entry.mode == modeFolder {
		return w.folder(path, entry.id, depth+1)
	}
	data, err := w.source.object(entry.id, kindBlob, w.limits.fileBytes)
	if err != nil {
		return fmt.Errorf("read file %q: %w", path, err)
	}
	if w.bytes += int64(len(data)); w.bytes > w.limits.totalBytes {
		return fmt.Errorf("the files are larger than %d bytes in all", w.limits.totalBytes)
	}
	w.files[path] = data
	return nil
}
