# Dot-sourced by every PowerShell script: where things are, the RID table, hashes, cargo. What build/lib.sh is to the shell; the two are held to
# the same answers by build/checks/powershell.sh. Written for Windows PowerShell 5.1, which every Windows has, and with .NET calls alone
# where that check runs it.
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

$root = [IO.Path]::GetDirectoryName($PSScriptRoot)
$solution = [IO.Path]::Combine($root, 'Preconf.Native.sln')
$crate = 'preconf-native'

# Build servers would outlive the command.
$env:MSBUILDDISABLENODEREUSE = '1'
$env:UseSharedCompilation = 'false'
$env:DOTNET_CLI_USE_MSBUILD_SERVER = '0'
$env:DOTNET_NOLOGO = '1'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'

function Say([string] $text) { [Console]::Error.WriteLine($text) }

# Ends the script with an error message and status 1.
function Stop-Build([string] $text) {
    Say "error: $text"
    exit 1
}

# A program's full path, or $null.
function Find-Program([string] $name) {
    Get-Command $name -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
}

# The RID table: one object a line.
function Get-Rids {
    foreach ($line in [IO.File]::ReadAllLines([IO.Path]::Combine($root, 'build', 'rids.txt'))) {
        if ($line.Trim() -eq '' -or $line.StartsWith('#')) { continue }
        $fields = $line -split '\s+'
        [pscustomobject] @{ Rid = $fields[0]; Triple = $fields[1]; Library = $fields[2] }
    }
}

function Get-HostRid {
    $arch = $env:PROCESSOR_ARCHITEW6432
    if (-not $arch) { $arch = $env:PROCESSOR_ARCHITECTURE }
    switch ($arch) {
        'AMD64' { return 'win-x64' }
        'ARM64' { return 'win-arm64' }
    }
    Stop-Build "no RID for Windows on '$arch'; see build/rids.txt (elsewhere than on Windows, use build.sh)"
}

function ConvertTo-Hex([byte[]] $bytes) { [BitConverter]::ToString($bytes).Replace('-', '').ToLowerInvariant() }

function Get-Sha256([byte[]] $bytes) {
    $sha = [Security.Cryptography.SHA256]::Create()
    try { ConvertTo-Hex $sha.ComputeHash($bytes) } finally { $sha.Dispose() }
}

function Get-FileSha256([string] $path) { Get-Sha256 ([IO.File]::ReadAllBytes($path)) }

# The files the native library is made of, relative to the root, in byte order: the same list as sources_list of build/lib.sh.
function Get-SourcesList {
    $found = [Collections.Generic.List[string]]::new()
    $folders = [Collections.Generic.Stack[string]]::new()
    $folders.Push('native')
    while ($folders.Count -gt 0) {
        $folder = $folders.Pop()
        foreach ($path in [IO.Directory]::GetDirectories([IO.Path]::Combine($root, $folder))) {
            $name = $folder + '/' + [IO.Path]::GetFileName($path)
            $leftOut = ($name -cmatch '^native/.*/target$' -and $name -cnotmatch '^native/.*/src/') -or $name -ceq 'native/target' -or
                $name -ceq 'native/preconf-bench' -or $name -ceq 'native/preconf-native/fuzz'
            if (-not $leftOut) { $folders.Push($name) }
        }
        foreach ($path in [IO.Directory]::GetFiles([IO.Path]::Combine($root, $folder))) { $found.Add($folder + '/' + [IO.Path]::GetFileName($path)) }
    }
    $found.Add('Cargo.toml')
    $found.Add('Cargo.lock')
    $found.Sort([StringComparer]::Ordinal)
    $found
}

# One hash over a line "hash  path" of each.
function Get-SourcesHash {
    $text = [Text.StringBuilder]::new()
    foreach ($path in Get-SourcesList) {
        [void] $text.Append((Get-FileSha256 ([IO.Path]::Combine($root, $path)))).Append('  ').Append($path).Append("`n")
    }
    Get-Sha256 ([Text.Encoding]::UTF8.GetBytes($text.ToString()))
}

# A value of a manifest (flat JSON, a key a line), '' where there is none.
function Get-ManifestValue([string] $file, [string] $key) {
    $match = [regex]::Match([IO.File]::ReadAllText($file), '(?m)^ *"' + $key + '": "?([^",\r\n]*)')
    $match.Groups[1].Value
}

# cargo, with the crates of the local registry where one is named. What cargo prints is returned; a failure is an error.
function Invoke-Cargo([string] $verb, [string[]] $options) {
    $all = @($verb)
    if ($env:CARGO_LOCAL_REGISTRY) {
        $registry = [IO.Path]::GetFullPath($env:CARGO_LOCAL_REGISTRY)
        $all += '--offline', '--config', "source.crates-io.replace-with='local'", '--config', "source.local.local-registry='$registry'"
    }
    $all += $options
    Push-Location $root
    try { & cargo $all } finally { Pop-Location }
    if ($LASTEXITCODE -ne 0) { throw "cargo $verb failed with status $LASTEXITCODE" }
}

# Can cargo get at the crates of Cargo.lock? Asks the network once and briefly, only when they are not on the disk.
function Test-Crates {
    if (-not (Find-Program cargo)) { return $false }
    $retry = $env:CARGO_NET_RETRY
    $timeout = $env:CARGO_HTTP_TIMEOUT
    try {
        $env:CARGO_NET_RETRY = '0'
        $env:CARGO_HTTP_TIMEOUT = '15'
        [void] (Invoke-Cargo fetch @('--locked', '--quiet'))
        return $true
    }
    catch { return $false }
    finally {
        $env:CARGO_NET_RETRY = $retry
        $env:CARGO_HTTP_TIMEOUT = $timeout
    }
}

# dotnet with these options; its failure is the script's.
function Invoke-Dotnet([string[]] $options) {
    if (-not (Find-Program dotnet)) { Stop-Build 'the .NET SDK is missing: install .NET 10 from https://dotnet.microsoft.com/download' }
    & dotnet $options
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}
