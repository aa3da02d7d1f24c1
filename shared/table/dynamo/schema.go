package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// The attributes of the table. template.yaml declares the keys, the indexes and the TTL attribute by these names.
const (
	AttrPK      = "pk"
	AttrSK      = "sk"
	AttrExpires = "expires" // TTL, whole seconds

	AttrDuePK  = "due_pk"
	AttrDueSK  = "due_sk"
	AttrListPK = "list_pk"
	AttrListSK = "list_sk"
	AttrAcctPK = "acct_pk"
	AttrAcctSK = "acct_sk"

	attrLayout  = "v"
	attrVersion = "ver"
	attrWriteID = "wid"
	attrDoc     = "doc"
	attrOps     = "ops" // of a token record: what the transaction was
	counter     = "n_"  // begins the attribute of a counter
)

// IndexSchema is one global secondary index: its name and its keys, all strings, projecting keys only.
type IndexSchema struct {
	Name   table.Index
	PK, SK string
}

// TableSchema is what the table must look like; all keys are strings (S).
type TableSchema struct {
	PK, SK  string
	TTL     string
	Indexes []IndexSchema
}

// Schema says what the table must look like, for CreateTable and for the test that compares template.yaml with it.
// Billing is PAY_PER_REQUEST.
func Schema() TableSchema {
	return TableSchema{PK: AttrPK, SK: AttrSK, TTL: AttrExpires, Indexes: []IndexSchema{
		{Name: table.Due, PK: AttrDuePK, SK: AttrDueSK},
		{Name: table.List, PK: AttrListPK, SK: AttrListSK},
		{Name: table.Acct, PK: AttrAcctPK, SK: AttrAcctSK},
	}}
}

func indexSchema(name table.Index) IndexSchema {
	for _, x := range Schema().Indexes {
		if x.Name == name {
			return x
		}
	}
	return IndexSchema{}
}

// CreateTable makes the table and waits until it can be used. For tests; deployments have it from template.yaml.
func (d *DB) CreateTable(ctx context.Context) error {
	const op = "dynamo.CreateTable"
	s := Schema()
	in := &dynamodb.CreateTableInput{
		TableName:            &d.name,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{define(s.PK), define(s.SK)},
		KeySchema:            keys(s.PK, s.SK),
	}
	for _, x := range s.Indexes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, define(x.PK), define(x.SK))
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(string(x.Name)), KeySchema: keys(x.PK, x.SK),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		})
	}
	if _, err := d.client.CreateTable(ctx, in); err != nil {
		return classify(op, err, true)
	}
	err := dynamodb.NewTableExistsWaiter(d.client).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &d.name}, time.Minute)
	if err != nil {
		return &fault.Error{Kind: fault.Unknown, Op: op, Err: err}
	}
	_, err = d.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &d.name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(s.TTL), Enabled: aws.Bool(true)}})
	return classify(op, err, true)
}

func define(name string) types.AttributeDefinition {
	return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
}

func keys(pk, sk string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange},
	}
}
