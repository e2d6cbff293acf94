// Package schemas defines every file that people write to a tenant repository
// and every file that Branchline's roles exchange through it.
//
// Load reads a whole repository from an fs.FS and returns typed documents that
// remember the line and column of each field, or every problem found, each
// naming file, position, field, cause and remedy. Unmarshal and Marshal read
// and write the files that machines exchange.
//
// The JSON Schemas in schemas/json are generated from the types of this package
// (make generate). They are also what Load validates with, so an editor and the
// renderer cannot disagree about what is valid.
//
// The package is a leaf: it imports no other folder of the project.
package schemas
