"""Amazon's own SDK as the second client of the object store.

usage: s3_objects.py ENDPOINT BUCKET KEY SHA256 DOWNLOAD_URL UPLOAD_URL WRITTEN_KEY

Reads what the node wrote under KEY and compares its hash and its labels; fetches it by the signed URL; puts a file by
the signed upload URL; writes an object under WRITTEN_KEY for the node to read; finds no unfinished uploads.
"""

import hashlib
import sys
import urllib.error
import urllib.request

import boto3

endpoint, bucket, key, sha256, download, upload, written = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="eu-central-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
)

found = s3.get_object(Bucket=bucket, Key=key)
assert hashlib.sha256(found["Body"].read()).hexdigest() == sha256, "another content"
assert found["ContentType"] == "audio/mpeg", found["ContentType"]
assert found["ContentDisposition"] == 'inline; filename="call.mp3"', found["ContentDisposition"]

with urllib.request.urlopen(download) as answer:
    assert hashlib.sha256(answer.read()).hexdigest() == sha256, "another content by the signed URL"
assert "secret" not in download and "Signature" in download and "X-Amz-Expires=300" in download, "signed for 300 s"

# without a type of its own urllib declares a form, which the server would read as one
headers = {"Content-Type": "audio/mpeg"}
put = urllib.request.Request(upload, data=b"uploaded by a signed URL", method="PUT", headers=headers)
with urllib.request.urlopen(put) as answer:
    assert answer.status == 200

s3.put_object(Bucket=bucket, Key=written, Body=b"written by boto3")
assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads"), "unfinished uploads are left behind"
print("ok")
