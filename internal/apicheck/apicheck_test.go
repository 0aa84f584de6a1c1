// Package apicheck keeps an eye on what the public packages export: that it is what
// api.txt says, and that all of it is documented.
package apicheck

import (
	"bytes"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

var (
	packages = []string{".", "runlooptest"}
	golden   = filepath.Join(root, "api.txt")
	update   = flag.Bool("update", false, "write api.txt anew")
)

func TestTheExportedAPIIsTheOneInAPITxt(t *testing.T) {
	t.Parallel()
	var api strings.Builder
	for _, name := range packages {
		api.WriteString("package " + name + "\n\n")
		for _, declaration := range exported(t, name) {
			api.WriteString(declaration + "\n")
		}
		api.WriteString("\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(api.String()), 0o644))
	}

	want, err := os.ReadFile(golden)

	require.NoError(t, err)
	assert.Equal(t, string(want), api.String(),
		"the exported API has changed. Say so in CHANGELOG.md, and run: go test ./internal/apicheck -update")
}

// exported returns the exported declarations of a package, sorted, without comments
// and bodies.
func exported(t *testing.T, name string) []string {
	var declarations []string
	for _, file := range parse(t, name, 0) {
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				d.Body = nil
			case *ast.GenDecl:
				if d.Tok == token.IMPORT {
					continue
				}
				ast.Inspect(d, dropNoteOnOmissions)
			}
			var text bytes.Buffer
			require.NoError(t, format.Node(&text, token.NewFileSet(), declaration))
			declarations = append(declarations, text.String())
		}
	}
	slices.Sort(declarations)
	return declarations
}

// dropNoteOnOmissions keeps the printer from noting where unexported fields were.
func dropNoteOnOmissions(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.StructType:
		n.Incomplete = false
	case *ast.InterfaceType:
		n.Incomplete = false
	}
	return true
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	for _, name := range packages {
		for _, file := range parse(t, name, parser.ParseComments) {
			for _, undocumented := range undocumented(file) {
				t.Errorf("%s: %s has no doc comment", name, undocumented)
			}
		}
	}
}

func undocumented(file *ast.File) []string {
	var names []string
	check := func(name string, comments ...*ast.CommentGroup) {
		if !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" }) {
			names = append(names, name)
		}
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			check(d.Name.Name, d.Doc)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					check(s.Names[0].Name, s.Doc, s.Comment, singleDoc(d))
				case *ast.TypeSpec:
					check(s.Name.Name, s.Doc, singleDoc(d))
					ast.Inspect(s.Type, func(n ast.Node) bool {
						if field, ok := n.(*ast.Field); ok && len(field.Names) > 0 {
							check(s.Name.Name+"."+field.Names[0].Name, field.Doc, field.Comment)
						}
						_, isFunc := n.(*ast.FuncType)
						return !isFunc
					})
				}
			}
		}
	}
	return names
}

// singleDoc is the comment of a declaration of one name. That of a group does not say
// what each of its names is.
func singleDoc(d *ast.GenDecl) *ast.CommentGroup {
	if len(d.Specs) > 1 {
		return nil
	}
	return d.Doc
}

// parse returns what the files of a package export.
func parse(t *testing.T, name string, mode parser.Mode) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, name, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, mode|parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.FileExports(file)
		file.Decls = slices.DeleteFunc(file.Decls, isMethodOfUnexported)
		files = append(files, file)
	}
	require.NotEmpty(t, files)
	return files
}

func isMethodOfUnexported(declaration ast.Decl) bool {
	d, ok := declaration.(*ast.FuncDecl)
	if !ok || d.Recv == nil {
		return false
	}
	receiver := d.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	return !receiver.(*ast.Ident).IsExported()
}
