// Package openapi holds openapi.yaml against the program: the document is OpenAPI 3.1 by the official schema, its routes
// are those that are served, its examples are answered as they stand, whatever a handler answers is what the document
// says, and what it forbids is refused. It has tests only.
//
// testdata/oas-3.1.schema.json is the OpenAPI Initiative's schema of 2022-10-07 (Apache License 2.0), unchanged.
package openapi
