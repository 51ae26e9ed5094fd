# Finds the native library of one platform, or builds it, and prints its path: what build/native.sh does, on Windows. Options:
# --from-source, --refresh-asset, --rid RID, --items FILE.
. ([IO.Path]::Combine($PSScriptRoot, 'lib.ps1'))

$rid = ''
$items = ''
$fromSource = $false
$refresh = $false
for ($i = 0; $i -lt $args.Count; $i++) {
    switch ($args[$i]) {
        '--from-source' { $fromSource = $true }
        '--refresh-asset' { $fromSource = $true; $refresh = $true }
        '--rid' { $i++; if ($i -ge $args.Count) { Stop-Build '--rid needs a name' }; $rid = $args[$i] }
        '--items' { $i++; if ($i -ge $args.Count) { Stop-Build '--items needs a file' }; $items = $args[$i] }
        default { Stop-Build "native: unknown option $($args[$i])" }
    }
}

$table = @(Get-Rids)
if (-not $rid) { $rid = Get-HostRid }
$platform = $table | Where-Object { $_.Rid -eq $rid }
if (-not $platform) { Stop-Build "no platform '$rid' in build/rids.txt: $(($table | ForEach-Object { $_.Rid }) -join ' ')" }
$library = $platform.Library
$sources = Get-SourcesHash
$localDir = [IO.Path]::Combine($root, 'target', 'native', $rid)
$assetDir = [IO.Path]::Combine($root, 'build', 'assets', $rid)

# Is the library in this directory whole, and made of the sources that are here?
function Test-Library([string] $dir, [string] $name) {
    $manifest = [IO.Path]::Combine($dir, 'manifest.json')
    $file = [IO.Path]::Combine($dir, $name)
    [IO.File]::Exists($manifest) -and [IO.File]::Exists($file) -and (Get-ManifestValue $manifest sources) -eq $sources -and
        (Get-ManifestValue $manifest sha256) -eq (Get-FileSha256 $file)
}

# Builds the library as it is shipped, into the local directory with its manifest; no path of this machine gets into it.
function New-Library {
    if (-not (Find-Program cargo)) {
        Stop-Build ("the native library for $rid must be built (no build or asset has the hash of these sources), and cargo is missing: " +
            'install Rust 1.95 or later from https://rustup.rs, the C++ build tools of Visual Studio, and perl')
    }
    if (-not (Find-Program perl)) { Stop-Build "perl is missing (keccak's assembly is generated with it): install Strawberry Perl" }
    $version = & rustc --version
    Say "native: building for $rid with $version; this takes minutes, once"
    $triple = $platform.Triple
    $targetDir = [IO.Path]::Combine($root, 'target')
    if ($env:CARGO_TARGET_DIR) { $targetDir = [IO.Path]::GetFullPath([IO.Path]::Combine($root, $env:CARGO_TARGET_DIR)) }
    Invoke-Cargo fetch @('--locked', '--target', $triple) | ForEach-Object { Say $_ }
    $metadata = [string] (Invoke-Cargo metadata @('--locked', '--format-version', '1', '--filter-platform', $triple))
    $registry = [regex]::Match($metadata, '"manifest_path":"([^"]*?)(?:\\\\|/)libp2p-[0-9][^"]*Cargo\.toml"').Groups[1].Value.Replace('\\', '\')
    if (-not $registry) { throw 'cargo does not say where the crates are' }
    $standard = [IO.Path]::Combine((& rustc --print sysroot), 'lib\rustlib\src\rust')
    $commit = (& rustc -vV | Where-Object { $_.StartsWith('commit-hash: ') }).Substring(13)
    # Separated by 0x1f, as cargo wants it; of several prefixes the last that fits counts. /Brepro: no time stamp in the DLL.
    # On x86-64, ed25519 with AVX-512 for processors that have it: the crate looks when it runs, but takes the code in only when told.
    $options = @(if ($triple.StartsWith('x86_64-')) { '--cfg=curve25519_dalek_backend="avx512"' })
    $env:CARGO_ENCODED_RUSTFLAGS = (@("--remap-path-prefix=$root=/preconf", "--remap-path-prefix=$targetDir=/preconf/target",
        "--remap-path-prefix=$registry=/crates", "--remap-path-prefix=$standard=/rustc/$commit", '-Clink-arg=/Brepro') + $options) -join [string][char]0x1f
    try {
        # Of the crate types only the shared library is asked for: with an rlib beside it cargo would leave out link-time optimisation.
        Invoke-Cargo rustc @('--release', '--locked', '-p', $crate, '--lib', '--crate-type', 'cdylib', '--target', $triple,
            '--target-dir', $targetDir) | ForEach-Object { Say $_ }
    }
    finally { $env:CARGO_ENCODED_RUSTFLAGS = $null }
    if ((Get-SourcesHash) -ne $sources) { Stop-Build 'the sources changed while they were being built: build again' }

    $built = [IO.Path]::Combine($targetDir, $triple, 'release', $library)
    [void] [IO.Directory]::CreateDirectory($localDir)
    [IO.File]::Copy($built, [IO.Path]::Combine($localDir, $library), $true)
    $lines = @('{', "  `"rid`": `"$rid`",", "  `"target`": `"$triple`",", "  `"library`": `"$library`",", "  `"sources`": `"$sources`",",
        "  `"sha256`": `"$(Get-FileSha256 $built)`",", "  `"size`": $([IO.FileInfo]::new($built).Length),", "  `"rustc`": `"$version`"", '}')
    [IO.File]::WriteAllText([IO.Path]::Combine($localDir, 'manifest.json'), ($lines -join "`n") + "`n")
}

$found = ''
if (-not $fromSource) {
    if (Test-Library $localDir $library) { $found = $localDir }
    elseif (Test-Library $assetDir $library) { $found = $assetDir }
}
if (-not $found) {
    try { New-Library }
    catch {
        Stop-Build ("the native library for $rid could not be built ($_); where crates.io is out of reach, CARGO_LOCAL_REGISTRY may name a " +
            'cargo local registry')
    }
    $found = $localDir
}
if ($refresh) {
    [void] [IO.Directory]::CreateDirectory($assetDir)
    foreach ($name in $library, 'manifest.json') { [IO.File]::Copy([IO.Path]::Combine($localDir, $name), [IO.Path]::Combine($assetDir, $name), $true) }
    $found = $assetDir
    Say "native: build/assets/$rid is now of these sources"
}

# For MSBuild: "rid|path|copy" for the developer's copy, then "rid|path|" for each further platform whose asset is of these sources.
if ($items) {
    $lines = @("$rid|$([IO.Path]::Combine($found, $library))|copy")
    foreach ($other in $table) {
        $dir = [IO.Path]::Combine($root, 'build', 'assets', $other.Rid)
        if ($other.Rid -eq $rid -or -not [IO.Directory]::Exists($dir)) { continue }
        if (-not (Test-Library $dir $other.Library)) { Stop-Build "build/assets/$($other.Rid) is not of these sources: refresh or delete it" }
        $lines += "$($other.Rid)|$([IO.Path]::Combine($dir, $other.Library))|"
    }
    [IO.File]::WriteAllText($items, ($lines -join "`n") + "`n")
}
[IO.Path]::Combine($found, $library)
